"""Kafka's StandardAuthorizer: super users, ACLs kept in a document of the data folder, an audit line for each denial.

A question is looked up once and its answer kept until an ACL changes, so a check costs one dictionary access. What ACLs
mean is in `acls`; who may change them is the business of the ACL APIs.
"""

from __future__ import annotations

import ipaddress
import logging
from typing import TYPE_CHECKING, Any

from kopfka_broker.security.acls import Acl, AclSet, Decision, PatternType, Permission
from kopfka_broker.security.authorizer import Operation, ResourceType
from kopfka_broker.security.principal import Principal, parse_principal
from kopfka_runtime.errors import SettingsError
from kopfka_wire.apis import ApiKey

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kopfka_broker.config.values import BrokerConfig
    from kopfka_broker.context import RequestContext
    from kopfka_broker.metadata_store import Document, MetadataStore

# answers kept; beyond it all are forgotten, so that a client that asks for ever new names costs no memory
_MOST_KEPT = 50_000

# Kafka asks for this name first, to find out about super users and rules for all names (authorizeByResourceType)
_ANY_NAME = "hardcode"

audit = logging.getLogger("kafka.authorizer.logger")


def standard_authorizer(config: BrokerConfig, store: MetadataStore) -> StandardAuthorizer:
    """Return the authorizer with the settings of the broker's file; its ACLs are not loaded yet.

    Raises:
        SettingsError: its settings are malformed.
    """
    settings = config.file_settings
    everyone = settings.get("allow.everyone.if.no.acl.found", "false").strip().lower() == "true"
    return StandardAuthorizer(store.document("acls"), super_users(settings.get("super.users", "")), everyone=everyone)


def super_users(text: str) -> frozenset[Principal]:
    """Read `super.users`: principals with semicolons between them.

    Raises:
        SettingsError: one is no principal.
    """
    found = set()
    for part in filter(None, (each.strip() for each in text.split(";"))):
        principal = parse_principal(part)
        if principal is None:
            raise SettingsError(f"{part!r} in super.users is no principal: write User:NAME;User:NAME")
        found.add(principal)
    return frozenset(found)


class StandardAuthorizer:
    """An `Authorizer` over ACLs."""

    def __init__(self, document: Document, super_users: frozenset[Principal], *, everyone: bool) -> None:
        self._document = document
        self._super_users = super_users
        self._everyone = everyone
        self._kept: dict[tuple[Principal, str, int, int, str], Decision] = {}
        self._kept_any: dict[tuple[Principal, str, int, int], bool] = {}
        self.acls = AclSet()
        self.denied = 0
        """How often the answer was no."""

    def load(self) -> None:
        """Read the ACLs that were kept.

        Raises:
            DataFolderError: the document is damaged.
        """
        rows = self._document.load()
        try:
            self.acls = AclSet(_acl(row) for row in rows or ())
        except (ValueError, TypeError, IndexError) as error:
            raise self._document.damaged(error) from None
        self._forget()

    # -- questions ----------------------------------------------------------------------------------------------------

    def allows(
        self,
        context: RequestContext,
        operation: Operation,
        resource: ResourceType,
        name: str,
        *,
        log_denied: bool = True,
    ) -> bool:
        """Tell whether the client of this request may do this to one resource."""
        key = (context.principal, context.client_host, operation, resource, name)
        decision = self._kept.get(key)
        if decision is None:
            decision = self._decide(*key)
            if len(self._kept) >= _MOST_KEPT:
                self._kept.clear()
            self._kept[key] = decision
        if not decision.allowed:
            self.denied += 1
        if decision.allowed:
            if audit.isEnabledFor(logging.DEBUG):
                audit.debug("%s", self._line(context, operation, resource, name, decision))
        elif log_denied and audit.isEnabledFor(logging.INFO):
            audit.info("%s", self._line(context, operation, resource, name, decision))
        return decision.allowed

    def allows_any(self, context: RequestContext, operation: Operation, resource: ResourceType) -> bool:
        """Tell whether there is any resource of this type to which the client may do this (KIP-679)."""
        principal, host = context.principal, context.client_host
        key = (principal, host, operation, resource)
        found = self._kept_any.get(key)
        if found is None:
            found = self._decide(principal, host, operation, resource, _ANY_NAME).allowed or self.acls.decide_any(
                principal, java_address(host), operation, resource
            )
            if len(self._kept_any) >= _MOST_KEPT:
                self._kept_any.clear()
            self._kept_any[key] = found
        return found

    def _decide(
        self, principal: Principal, host: str, operation: Operation, resource: ResourceType, name: str
    ) -> Decision:
        if principal in self._super_users:
            return Decision(True, None)
        decision = self.acls.decide(principal, java_address(host), operation, resource, name)
        return decision._replace(allowed=self._everyone) if decision.silent else decision

    def _line(
        self, context: RequestContext, operation: Operation, resource: ResourceType, name: str, decision: Decision
    ) -> str:
        """Return the audit line in Kafka's words, which tools that read such logs know."""
        if decision.rule is not None:
            rule = f"MatchingAcl(acl={_described(decision.rule)})"
        elif context.principal in self._super_users:
            rule = "SuperUser"
        else:
            rule = "DefaultAllow" if decision.allowed else "DefaultDeny"
        api = ApiKey(context.api_key).name.title().replace("_", "")
        kind = resource.name.title().replace("_", "")
        return (
            f"Principal = {context.principal} is {'Allowed' if decision.allowed else 'Denied'} "
            f"operation = {operation.name} from host = {java_address(context.client_host)} "
            f"on resource = {kind}:LITERAL:{name} for request = {api} with resourceRefCount = 1 based on rule {rule}"
        )

    # -- changes ------------------------------------------------------------------------------------------------------

    def add(self, acls: Iterable[Acl]) -> None:
        """Add ACLs, durably; those that are there already change nothing.

        Raises:
            KafkaStorageError: they cannot be kept; nothing has changed.
        """
        new = [acl for acl in dict.fromkeys(acls) if acl not in self.acls]
        if not new:
            return
        self._document.save([*self.acls, *new])
        for acl in new:
            self.acls.add(acl)
        self._forget()

    def remove(self, acls: Iterable[Acl]) -> None:
        """Remove ACLs that are there, durably.

        Raises:
            KafkaStorageError: the rest cannot be kept; nothing has changed.
        """
        gone = {acl for acl in acls if acl in self.acls}
        if not gone:
            return
        self._document.save([acl for acl in self.acls if acl not in gone])
        for acl in gone:
            self.acls.remove(acl)
        self._forget()

    def _forget(self) -> None:
        self._kept.clear()
        self._kept_any.clear()


def java_address(host: str) -> str:
    """Return an address as Java writes it, and so as ACLs of Kafka do: IPv6 without any shortening."""
    if ":" not in host:
        return host
    bare, percent, scope = host.partition("%")
    try:
        address = ipaddress.IPv6Address(bare)
    except ValueError:
        return host
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return ":".join(f"{int(part, 16):x}" for part in address.exploded.split(":")) + percent + scope


def _acl(row: Any) -> Acl:
    kind, name, pattern, principal, host, operation, permission = row
    if not all(isinstance(text, str) for text in (name, principal, host)):
        raise TypeError(f"an ACL is {row}")
    return Acl(
        ResourceType(kind), name, PatternType(pattern), principal, host, Operation(operation), Permission(permission)
    )


def _described(acl: Acl) -> str:
    return (
        f"StandardAcl[resourceType={acl.resource_type.name}, resourceName={acl.name}, "
        f"patternType={acl.pattern_type.name}, principal={acl.principal}, host={acl.host}, "
        f"operation={acl.operation.name}, permissionType={acl.permission.name}]"
    )
