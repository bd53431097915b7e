"""Two brokers with users and an authorizer, ours and Apache Kafka, and scenarios in which several users take part.

`admin` and whoever comes in by the plain listener (User:ANONYMOUS) are super users; `alice` and `bob` have no rights
but those a scenario gives them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kopfka_bench.protocol.raw import CLOSED, RawConnection
from support.differential import Side

if TYPE_CHECKING:
    from collections.abc import Sequence

ADMIN = "admin"
USERS = (ADMIN, "alice", "bob")
_accounts = " ".join(f'user_{user}="{user}-secret"' for user in USERS)
_LISTENER = "listener.name.sasl_plaintext"
_MODULES = "org.apache.kafka.common.security"
CONFIG = f"""
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:{ADMIN};User:ANONYMOUS
delegation.token.secret.key=a secret of the tests
quota.window.num=3
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512
{_LISTENER}.plain.sasl.jaas.config={_MODULES}.plain.PlainLoginModule required {_accounts};
{_LISTENER}.scram-sha-256.sasl.jaas.config={_MODULES}.scram.ScramLoginModule required;
{_LISTENER}.scram-sha-512.sasl.jaas.config={_MODULES}.scram.ScramLoginModule required;
"""
"""For a broker with a listener SASL_PLAINTEXT beside the plain one."""


def client_config(user: str, password: str | None = None, mechanism: str = "PLAIN", **options: str) -> dict[str, str]:
    """Return what a Java client needs to log in, as one of the users unless a password is given."""
    login = "plain.PlainLoginModule" if mechanism == "PLAIN" else "scram.ScramLoginModule"
    given = {"username": user, "password": password or f"{user}-secret"} | options
    words = " ".join(f'{name}="{value}"' for name, value in given.items())
    return {
        "security.protocol": "SASL_PLAINTEXT",
        "sasl.mechanism": mechanism,
        "sasl.jaas.config": f"{_MODULES}.{login} required {words};",
    }


@dataclass(slots=True)
class SecuredSide(Side):
    """One of the brokers. `call` takes the name of the user that asks; each has a connection that is kept open."""

    sasl: str = ""
    connections: dict[str, RawConnection] = field(default_factory=dict)

    def call(self, api: str, version: int | None = None, *, user: str = ADMIN, **fields: Any) -> Any:
        """Send a request as a user, in the scenario's version unless told otherwise."""
        connection = self.connections.get(user)
        if connection is None:
            connection = self.connections[user] = RawConnection(self.sasl)
            assert connection.log_in(user, f"{user}-secret")["error_code"] == "none"
        version = self.noted(api, version)
        self.last = f"{user}: {api} v{version} {fields!r:.400}"
        answer = connection.call(api, version, **fields)
        if answer is CLOSED:
            self.log_out(user)
        return answer

    def log_out(self, user: str) -> None:
        """Close the connection of a user; the next call opens another."""
        connection = self.connections.pop(user, None)
        if connection is not None:
            connection.__exit__()

    def close(self) -> None:
        """Close every connection."""
        for user in list(self.connections):
            self.log_out(user)

    def allow(self, *acls: dict[str, Any]) -> None:
        """Create ACLs (see `acl`) and wait until they are in force."""
        answer = self.call("create_acls", 3, creations=list(acls))
        assert {result["error_code"] for result in answer["results"]} == {"none"}, answer
        self.settle()

    def forget_acls(self) -> None:
        """Remove every ACL and wait until that is in force."""
        self.call("delete_acls", 3, filters=[acl_filter()])
        self.settle()


def acl(user: str, operation: int, resource_type: int = 2, name: str = "*", **fields: Any) -> dict[str, Any]:
    """Return an ACL that allows a user something, by the protocol's numbers: on any topic unless told otherwise."""
    return {
        "resource_type": resource_type,
        "resource_name": name,
        "resource_pattern_type": 3,
        "principal": f"User:{user}",
        "host": "*",
        "operation": operation,
        "permission_type": 3,
    } | fields


def acl_filter(**fields: Any) -> dict[str, Any]:
    """Return a filter that means every ACL, narrowed by fields."""
    return {
        "resource_type_filter": 1,
        "resource_name_filter": None,
        "pattern_type_filter": 1,
        "principal_filter": None,
        "host_filter": None,
        "operation": 1,
        "permission_type": 1,
    } | fields


def sorted_by(answer: Any, *paths: str) -> Any:
    """Return an answer with lists sorted that Kafka keeps in hash sets; `path` is field names with dots between."""
    if isinstance(answer, dict):
        for path in paths:
            _sort(answer, path.split("."))
    return answer


def _sort(answer: Any, path: Sequence[str]) -> None:
    head, *rest = path
    found = answer.get(head)
    if not isinstance(found, list):
        return
    for each in found if rest else ():
        _sort(each, rest)
    found.sort(key=repr)
