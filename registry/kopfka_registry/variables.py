"""Environment variables that stand for settings, as in Confluent's image, and those of the same prefix that do not."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from kopfka_runtime.settings import settings_of_variables

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX: Final = "SCHEMA_REGISTRY_"
_OF_SERVICES: Final = re.compile(
    r"(?:.*_)?(?:SERVICE_HOST|SERVICE_PORT(?:_.+)?|PORT(?:_\d+_(?:TCP|UDP|SCTP)(?:_\w+)?)?)"
)
"""What Kubernetes and Docker make of a service with a name like `schema-registry`."""
_OF_THE_IMAGE: Final = frozenset(
    {"CLASSPATH", "CUB_KAFKA_TIMEOUT", "HEAP_OPTS", "JMX_HOSTNAME", "JMX_OPTS", "JMX_PORT", "JVM_PERFORMANCE_OPTS",
     "LOG4J_LOGGERS", "LOG4J_OPTS", "LOG4J_ROOT_LOGLEVEL", "LOG_DIR", "OPTS", "TOOLS_LOG4J_LOGLEVEL"}
)  # fmt: skip
"""What Confluent's image has beside settings: of the JVM, its logs, and the image itself."""


def settings_of_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the settings that variables stand for."""
    meant = {}
    for name, value in environment.items():
        bare = name.removeprefix(PREFIX)
        # host.port is a setting
        if bare != name and bare not in _OF_THE_IMAGE and (bare == "HOST_PORT" or not _OF_SERVICES.fullmatch(bare)):
            meant[name] = value
    return settings_of_variables(PREFIX, meant)
