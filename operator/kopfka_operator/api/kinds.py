"""The list of kinds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kopfka_operator.api import kafkacluster, kafkatopic, schemaregistry, schemasubject

if TYPE_CHECKING:
    from kopfka_operator.api.meta import Kind

KINDS: list[Kind] = [kafkacluster.KIND, kafkatopic.KIND, schemaregistry.KIND, schemasubject.KIND]
