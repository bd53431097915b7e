"""`metadata` of every object: names, uids, times, and the rules they must follow."""

from __future__ import annotations

import random
import re
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from kopfka_local.api.errors import Cause, forbidden_field, invalid_value, required

if TYPE_CHECKING:
    from collections.abc import Mapping

LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_LABEL_1035 = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_QUALIFIED = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
_PATH_SEGMENT = re.compile(r"(?!\.$|\.\.$)[^/%]+")
# no vowels and no digits that look like letters: random names spell no words
_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"

LABEL_RULE = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and "
    "end with an "
    "alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
_SUBDOMAIN_RULE = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must "
    "start and end "
    "with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
_LABEL_1035_RULE = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic "
    "character, and "
    "end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is "
    "'[a-z]([-a-z0-9]*[a-z0-9])?')"
)
_QUALIFIED_RULE = (
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character "
    "(e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
_VALUE_RULE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must "
    "start and end "
    "with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)
_ANNOTATIONS_BYTES = 256 * 1024

#: Kinds whose names are not DNS subdomains: (pattern, longest, rule).
_NAMES = {
    "namespaces": (LABEL, 63, LABEL_RULE),
    "services": (_LABEL_1035, 63, _LABEL_1035_RULE),
    "roles.rbac.authorization.k8s.io": (_PATH_SEGMENT, 253, "may not contain '/' or '%'"),
    "rolebindings.rbac.authorization.k8s.io": (_PATH_SEGMENT, 253, "may not contain '/' or '%'"),
    "clusterroles.rbac.authorization.k8s.io": (_PATH_SEGMENT, 253, "may not contain '/' or '%'"),
    "clusterrolebindings.rbac.authorization.k8s.io": (_PATH_SEGMENT, 253, "may not contain '/' or '%'"),
}


def now() -> str:
    """Return the time as `metav1.Time`: UTC, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def new_uid() -> str:
    """Return a uid for a new object."""
    return str(uuid.uuid4())


def generated_name(prefix: str) -> str:
    """Return a name that starts with `prefix` and ends in five random characters, 63 characters at most."""
    return prefix[:58] + "".join(random.choices(_ALPHABET, k=5))


def check(storage: str, metadata: Mapping[str, Any]) -> list[Cause]:
    """Return what is wrong with the `metadata` of an object stored under `storage`."""
    name = metadata.get("name") or ""
    causes = _name_causes(storage, name)
    for key, value in (metadata.get("labels") or {}).items():
        causes += label_key("metadata.labels", key)
        if value and (len(value) > 63 or not _QUALIFIED.fullmatch(value)):
            causes.append(invalid_value("metadata.labels", value, _VALUE_RULE if len(value) <= 63 else _longer(63)))
    annotations = metadata.get("annotations") or {}
    for key in annotations:
        causes += label_key("metadata.annotations", key.lower())
    if sum(len(k) + len(v) for k, v in annotations.items()) > _ANNOTATIONS_BYTES:
        causes.append(
            Cause(
                "metadata.annotations",
                "FieldValueTooLong",
                f"Too long: may not be more than {_ANNOTATIONS_BYTES} bytes",
            )
        )
    for index, owner in enumerate(metadata.get("ownerReferences") or []):
        for field in ("apiVersion", "kind", "name", "uid"):
            if not owner.get(field):
                causes.append(
                    invalid_value(f"metadata.ownerReferences[{index}].{field}", "", f"{field} must not be empty")
                )
    for finalizer in metadata.get("finalizers") or []:
        if "/" not in finalizer and finalizer not in ("orphan", "foregroundDeletion", "kubernetes"):
            causes += label_key("metadata.finalizers", finalizer)
    return causes


def _name_causes(storage: str, name: str) -> list[Cause]:
    if not name:
        return [required("metadata.name", "name or generateName is required")]
    pattern, longest, rule = _NAMES.get(storage, (_SUBDOMAIN, 253, _SUBDOMAIN_RULE))
    causes = []
    if len(name) > longest:
        causes.append(invalid_value("metadata.name", name, _longer(longest)))
    if not pattern.fullmatch(name):
        causes.append(invalid_value("metadata.name", name, rule))
    return causes


def label_key(field: str, key: str) -> list[Cause]:
    """Return what is wrong with a qualified name, the key of a label or an annotation."""
    prefix, slash, name = key.rpartition("/")
    causes = []
    if slash and (len(prefix) > 253 or not _SUBDOMAIN.fullmatch(prefix)):
        causes.append(invalid_value(field, key, f"prefix part {_SUBDOMAIN_RULE}"))
    if not name:
        causes.append(invalid_value(field, key, "name part must be non-empty"))
    if len(name) > 63:
        causes.append(invalid_value(field, key, f"name part {_longer(63)}"))
    if not _QUALIFIED.fullmatch(name):
        causes.append(invalid_value(field, key, f"name part {_QUALIFIED_RULE}"))
    return causes


def check_update(new: Mapping[str, Any], old: Mapping[str, Any]) -> list[Cause]:
    """Return what is wrong with the change from one `metadata` to another."""
    causes = [
        invalid_value(f"metadata.{field}", new.get(field, ""), "field is immutable")
        for field in ("name", "namespace", "uid", "creationTimestamp")
        if new.get(field) != old.get(field)
    ]
    if old.get("deletionTimestamp"):
        added = [f for f in new.get("finalizers") or [] if f not in (old.get("finalizers") or [])]
        if added:
            shown = ", ".join(f'"{finalizer}"' for finalizer in added)
            why = (
                "no new finalizers can be added if the object is being deleted, found new finalizers []string{"
                + shown
                + "}"
            )
            causes.append(forbidden_field("metadata.finalizers", why))
    return causes


def _longer(maximum: int) -> str:
    return f"must be no more than {maximum} characters"
