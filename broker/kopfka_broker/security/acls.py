"""Access control lists as pure data: what an ACL says, which ACLs a filter means, and what a set of them decides.

The rules are those of Kafka's StandardAuthorizer. Knows no request, no file, no cache: that is `standard_authorizer`.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Final, NamedTuple

from kopfka_broker.security.authorizer import Operation, ResourceType
from kopfka_broker.security.principal import USER

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from kopfka_broker.security.principal import Principal

WILDCARD: Final = "*"
"""Any name where it is a literal resource, any address where it is a host, any user in `User:*`."""

_EVERYONE = f"{USER}:{WILDCARD}"


class PatternType(enum.IntEnum):
    """How an ACL names resources, and a filter names ACLs, by the numbers of Kafka's PatternType."""

    UNKNOWN = 0
    ANY = 1
    MATCH = 2
    LITERAL = 3
    PREFIXED = 4


class Permission(enum.IntEnum):
    """By the numbers of Kafka's AclPermissionType."""

    UNKNOWN = 0
    ANY = 1
    DENY = 2
    ALLOW = 3


class Acl(NamedTuple):
    """One rule: a principal on a host is allowed or denied an operation on resources."""

    resource_type: ResourceType
    name: str
    pattern_type: PatternType
    principal: str
    """As written, `User:alice`."""
    host: str
    operation: Operation
    permission: Permission


class AclFilter(NamedTuple):
    """Which ACLs a request means; None and ANY stand for all."""

    resource_type: ResourceType
    name: str | None
    pattern_type: PatternType
    principal: str | None
    host: str | None
    operation: Operation
    permission: Permission

    def matches(self, acl: Acl) -> bool:
        """Tell whether the filter means this ACL."""
        return (
            self.resource_type in (ResourceType.ANY, acl.resource_type)
            and self.operation in (Operation.ANY, acl.operation)
            and self.permission in (Permission.ANY, acl.permission)
            and self.principal in (None, acl.principal)
            and self.host in (None, acl.host)
            and self._matches_name(acl)
        )

    def _matches_name(self, acl: Acl) -> bool:
        if self.pattern_type not in (PatternType.ANY, PatternType.MATCH, acl.pattern_type):
            return False
        if self.name is None:
            return True
        if self.pattern_type is not PatternType.MATCH:
            return self.name == acl.name
        if acl.pattern_type is PatternType.PREFIXED:
            return self.name.startswith(acl.name)
        return acl.name in (self.name, WILDCARD)


class Decision(NamedTuple):
    """What a set of ACLs says to one question; `rule` is the ACL it rests on."""

    allowed: bool
    rule: Acl | None
    silent: bool = False
    """No ACL is about this resource at all: `allow.everyone.if.no.acl.found` decides."""


# what an ALLOW of one operation allows besides; a DENY denies no more than it says
_IMPLYING: Final = {
    Operation.DESCRIBE: frozenset({Operation.READ, Operation.WRITE, Operation.DELETE, Operation.ALTER}),
    Operation.DESCRIBE_CONFIGS: frozenset({Operation.ALTER_CONFIGS}),
}
_NOTHING: Final[frozenset[Operation]] = frozenset()


class _OfType:
    """The ACLs of one resource type. A lookup by prefix asks once for each length there is, never for each ACL."""

    __slots__ = ("lengths", "literal", "prefixed")

    def __init__(self) -> None:
        self.literal: dict[str, list[Acl]] = {}
        self.prefixed: dict[str, list[Acl]] = {}
        self.lengths: dict[int, int] = {}
        """How many prefixes there are of each length."""

    def add(self, acl: Acl) -> None:
        if acl.pattern_type is PatternType.LITERAL:
            self.literal.setdefault(acl.name, []).append(acl)
            return
        if acl.name not in self.prefixed:
            self.prefixed[acl.name] = []
            self.lengths[len(acl.name)] = self.lengths.get(len(acl.name), 0) + 1
        self.prefixed[acl.name].append(acl)

    def remove(self, acl: Acl) -> None:
        by_name = self.literal if acl.pattern_type is PatternType.LITERAL else self.prefixed
        by_name[acl.name].remove(acl)
        if by_name[acl.name]:
            return
        del by_name[acl.name]
        if by_name is self.prefixed:
            length = len(acl.name)
            self.lengths[length] -= 1
            if not self.lengths[length]:
                del self.lengths[length]

    def about(self, name: str) -> Iterator[Acl]:
        """Yield the ACLs whose pattern covers a name."""
        yield from self.literal.get(name, ())
        if name != WILDCARD:
            yield from self.literal.get(WILDCARD, ())
        for length in self.lengths:
            if length <= len(name):
                yield from self.prefixed.get(name[:length], ())


class AclSet:
    """A set of ACLs that answers questions about them."""

    def __init__(self, acls: Iterable[Acl] = ()) -> None:
        self._acls: dict[Acl, None] = {}  # a set that keeps its order
        self._types: dict[ResourceType, _OfType] = {}
        for acl in acls:
            self.add(acl)

    def __iter__(self) -> Iterator[Acl]:
        return iter(self._acls)

    def __len__(self) -> int:
        return len(self._acls)

    def __contains__(self, acl: Acl) -> bool:
        return acl in self._acls

    def add(self, acl: Acl) -> None:
        """Add one; what is there already changes nothing."""
        if acl not in self._acls:
            self._acls[acl] = None
            self._types.setdefault(acl.resource_type, _OfType()).add(acl)

    def remove(self, acl: Acl) -> None:
        """Remove one that is there."""
        del self._acls[acl]
        self._types[acl.resource_type].remove(acl)

    def matching(self, wanted: AclFilter) -> list[Acl]:
        """Return those a filter means."""
        return [acl for acl in self._acls if wanted.matches(acl)]

    def decide(
        self, principal: Principal, host: str, operation: Operation, resource: ResourceType, name: str
    ) -> Decision:
        """Say whether a principal on a host may do this: any DENY wins, then any ALLOW; without either it may not."""
        of_type = self._types.get(resource)
        if of_type is None:
            return Decision(False, None, silent=True)
        who = (str(principal), _EVERYONE)
        implying = _IMPLYING.get(operation, _NOTHING)
        allowing: Acl | None = None
        silent = True
        for acl in of_type.about(name):
            silent = False
            if acl.principal not in who or acl.host not in (WILDCARD, host):
                continue
            allows = acl.permission is Permission.ALLOW
            if acl.operation in (operation, Operation.ALL) or (allows and acl.operation in implying):
                if not allows:
                    return Decision(False, acl)
                allowing = acl
        return Decision(allowing is not None, allowing, silent=silent)

    def decide_any(self, principal: Principal, host: str, operation: Operation, resource: ResourceType) -> bool:
        """Say whether there can be a resource of a type to which a principal may do this (KIP-679).

        As Kafka does it: implied operations do not count, and a DENY takes away what its pattern covers whole.
        """
        of_type = self._types.get(resource)
        if of_type is None:
            return False
        who = (str(principal), _EVERYONE)
        found: dict[tuple[PatternType, Permission], set[str]] = {}
        for by_name in (of_type.literal, of_type.prefixed):
            for acls in by_name.values():
                for acl in acls:
                    if (
                        acl.principal in who
                        and acl.host in (WILDCARD, host)
                        and acl.operation in (operation, Operation.ALL)
                    ):
                        found.setdefault((acl.pattern_type, acl.permission), set()).add(acl.name)
        nobody: set[str] = set()
        denied = found.get((PatternType.LITERAL, Permission.DENY), nobody)
        allowed = found.get((PatternType.LITERAL, Permission.ALLOW), nobody)
        if WILDCARD in denied:
            return False
        if WILDCARD in allowed:
            return True
        denied_prefixes = found.get((PatternType.PREFIXED, Permission.DENY), nobody)
        candidates = (allowed - denied) | found.get((PatternType.PREFIXED, Permission.ALLOW), nobody)
        return any(
            not any(name[:length] in denied_prefixes for length in range(1, len(name) + 1)) for name in candidates
        )
