"""ACLs, SCRAM credentials, client quotas and delegation tokens: the same answers as Apache Kafka's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from kopfka_bench.protocol.raw import RawConnection
from support.differential import Scenarios, compare
from support.secured import acl, acl_filter, sorted_by
from support.waiting import eventually

if TYPE_CHECKING:
    from support.secured import SecuredSide

pytestmark = pytest.mark.java

SCENARIOS = Scenarios()
LITERAL, PREFIXED = 3, 4
DENY, ALLOW = 2, 3
READ, WRITE, CREATE, DESCRIBE, ALTER_CONFIGS, DESCRIBE_CONFIGS = 3, 4, 5, 8, 11, 10


# -- ACLs -------------------------------------------------------------------------------------------------------------


def described(side, **fields):
    """Describe the ACLs of the scenario's own topic names, in an order of their own."""
    answer = side.call("describe_acls", **acl_filter(**fields))
    return sorted_by(answer, "resources.acls", "resources")


@SCENARIOS.of("create_acls")
def create_acls(side):
    good = acl("alice", READ, name=side.own)
    for changes in (
        {},
        {"resource_name": ""},
        {"resource_name": "*", "resource_pattern_type": PREFIXED},
        {"principal": "alice"},
        {"principal": ""},
        {"principal": "User:"},
        {"host": ""},
        {"resource_type": 4},
        {"resource_type": 4, "resource_name": "kafka-cluster", "resource_pattern_type": PREFIXED},
        {"operation": 15},
        *({field: value} for field in ("resource_type", "operation", "permission_type") for value in (99, -1, 1, 0)),
        *({"resource_pattern_type": value} for value in (99, -1, 2, 1, 0)),
    ):
        yield side.call("create_acls", creations=[good | changes, good])
    yield side.call("create_acls", creations=[])
    side.settle()
    yield described(side, resource_name_filter=side.own)


@SCENARIOS.of("describe_acls")
def describe_acls(side):
    own = side.own
    side.allow(
        acl("alice", READ, name=own),
        acl("bob", WRITE, name=own, permission_type=DENY),
        acl("alice", READ, name=own[:-2], resource_pattern_type=PREFIXED),
        acl("alice", READ, 3, name=own, host="1.2.3.4"),
    )
    yield described(side, resource_name_filter=own)
    yield described(side, resource_name_filter=own, pattern_type_filter=2, resource_type_filter=3)
    yield described(side, resource_name_filter=own, pattern_type_filter=LITERAL)
    yield described(side, resource_name_filter=own, pattern_type_filter=PREFIXED)
    yield described(side, resource_name_filter=own[:-2], pattern_type_filter=PREFIXED)
    yield described(side, resource_name_filter=own, principal_filter="User:alice")
    yield described(side, resource_name_filter=own, host_filter="1.2.3.4")
    yield described(side, resource_name_filter=own, operation=WRITE)
    yield described(side, resource_name_filter=own, permission_type=DENY)
    yield described(side, resource_name_filter=f"{own}-none")
    for field in ("resource_type_filter", "operation", "permission_type", "pattern_type_filter"):
        for value in (99, -1, 0):
            yield described(side, resource_name_filter=own, **{field: value})


@SCENARIOS.of("delete_acls")
def delete_acls(side):
    own = side.own
    side.allow(
        acl("alice", READ, name=own),
        acl("alice", WRITE, name=own),
        acl("alice", READ, name=own[:-2], resource_pattern_type=PREFIXED),
    )

    def delete(*filters):
        filters = [acl_filter(resource_name_filter=own, **each) for each in filters]
        return sorted_by(side.call("delete_acls", filters=filters), "filter_results.matching_acls")

    yield delete({"operation": 99}, {"operation": DESCRIBE}, {"pattern_type_filter": 99}, {"resource_type_filter": -1})
    yield delete({"operation": 0})
    yield delete({"operation": READ})
    side.settle()
    yield delete(
        {"pattern_type_filter": 2, "resource_type_filter": 2, "principal_filter": "User:alice", "host_filter": "*"}
    )
    side.settle()
    yield delete({}, {})
    yield described(side, resource_name_filter=own)


@SCENARIOS.of("metadata", 12)
def what_acls_allow(side):
    """Which operations alice has on topics, for sets of ACLs with every rule in them."""
    names = [f"{side.own}-{letter}" for letter in "abc"]
    for name in names:
        side.own = name
        side.create()
    prefix = names[0][:-1]

    def operations():
        topics = [{"name": name} for name in names]
        answer = side.call("metadata", user="alice", topics=topics, include_topic_authorized_operations=True)
        return {
            topic["name"]: (topic["error_code"], topic["topic_authorized_operations"]) for topic in answer["topics"]
        }

    for step in (
        [acl("alice", READ, name=names[0])],
        [acl("alice", ALTER_CONFIGS, name=prefix, resource_pattern_type=PREFIXED)],
        [acl("*", WRITE, name="*")],
        [acl("alice", WRITE, name=names[1], permission_type=DENY)],
        [acl("alice", DESCRIBE, name=names[2], permission_type=DENY)],
        [acl("alice", 2, name=names[0], host="1.2.3.4")],
        [acl("alice", 2, name=names[0])],
        [acl("alice", 2, name=prefix[:-1], resource_pattern_type=PREFIXED, permission_type=DENY)],
    ):
        side.allow(*step)
        yield operations()
    side.forget_acls()
    yield operations()


@SCENARIOS.of("init_producer_id", 4)
def any_topic_will_do_for_an_idempotent_producer(side):
    """Who may write to any topic at all may have a producer id (KIP-679)."""

    def init():
        return side.call("init_producer_id", user="alice", transactional_id=None, transaction_timeout=1000)[
            "error_code"
        ]

    own = side.own
    for steps in (
        [acl("alice", DESCRIBE, name=own)],
        [acl("alice", WRITE, name=own)],
        [acl("alice", WRITE, name=own, permission_type=DENY)],
        [acl("alice", WRITE, name=own[:4], resource_pattern_type=PREFIXED)],
        [acl("alice", WRITE, name=own[:3], resource_pattern_type=PREFIXED, permission_type=DENY)],
        [acl("*", 2, name="another")],
        [acl("alice", WRITE, name="*", permission_type=DENY)],
        [acl("alice", 12, 4, "kafka-cluster")],
    ):
        side.allow(*steps)
        yield init()
    side.forget_acls()


# -- SCRAM ------------------------------------------------------------------------------------------------------------


@SCENARIOS.of("alter_user_scram_credentials", also=["describe_user_scram_credentials"])
def scram_credentials(side):
    own = side.own
    good = {"name": own, "mechanism": 1, "iterations": 4096, "salt": b"salt", "salted_password": b"x" * 32}

    def alter(deletions=(), upsertions=()):
        deletions = [{"name": name, "mechanism": mechanism} for name, mechanism in deletions]
        answer = side.call("alter_user_scram_credentials", deletions=deletions, upsertions=list(upsertions))
        return sorted_by(answer, "results")

    def describe(*users):
        asked = [{"name": user} for user in users]
        return sorted_by(
            side.call("describe_user_scram_credentials", 0, users=asked), "results.credential_infos", "results"
        )

    yield alter(upsertions=[good, good | {"name": f"{own}-2", "mechanism": 2, "iterations": 16384}])
    yield alter(upsertions=[good | {"mechanism": 2, "iterations": 8192}])
    side.settle()
    yield describe(own, f"{own}-2", "nobody", "", "")
    for changes in (
        {"name": ""},
        {"mechanism": 0},
        {"mechanism": 3},
        {"iterations": 4095},
        {"iterations": 16385},
        {"iterations": -1},
        {"salt": b""},
        {"salted_password": b""},
    ):
        yield alter(upsertions=[good | changes])
    yield alter(upsertions=[good, good])
    yield alter(upsertions=[good, good | {"mechanism": 2}])
    yield alter([(own, 1)], [good | {"mechanism": 2}])
    yield alter([(own, 1), (own, 2)])
    yield alter([("nobody", 1), ("", 1), (own, 0), (f"{own}-2", 1)])
    yield alter([(own, 1), (own, 9)])
    yield alter()
    yield alter([(own, 1), (f"{own}-2", 2)])
    side.settle()
    yield describe(own, f"{own}-2")
    yield alter([(own, 2)])


# -- quotas -----------------------------------------------------------------------------------------------------------


def quota(entity, *ops):
    """Return an entry of AlterClientQuotas; None removes a quota."""
    return {
        "entity": [{"entity_type": kind, "entity_name": name} for kind, name in entity],
        "ops": [{"key": key, "value": value or 0.0, "remove": value is None} for key, value in ops],
    }


@SCENARIOS.of("alter_client_quotas")
def alter_client_quotas(side):
    own = side.own
    user = [("user", own)]

    def alter(*entries, **options):
        answer = side.call("alter_client_quotas", entries=list(entries), **options)
        return sorted_by(answer, "entries.entity", "entries")

    rate = ("producer_byte_rate", 10.0)
    yield alter(quota(user, rate))
    yield alter(
        quota(user, rate, ("request_percentage", 0.5)), quota([("client-id", own)], ("consumer_byte_rate", 5.0))
    )
    for entity in (
        [("user", "")],
        [("client-id", "")],
        [("ip", "")],
        [("nothing", "x")],
        [],
        [("ip", "no.host.invalid")],
        [("ip", "1.2.3.4")],
        [("ip", "1.2.3.4"), ("user", own)],
    ):
        yield alter(quota(entity, rate))
    for key, value in (
        ("nothing", 1.0),
        ("producer_byte_rate", -1.0),
        ("producer_byte_rate", 0.5),
        ("consumer_byte_rate", 1e30),
        ("connection_creation_rate", 1.0),
        ("controller_mutation_rate", 0.1),
        ("request_percentage", 1000.0),
    ):
        yield alter(quota(user, (key, value)))
    for value in (5.0, 5.5, 1e15, -1.0):
        yield alter(quota([("ip", "1.2.3.4")], ("connection_creation_rate", value)))
    yield alter(quota(user, ("nothing", None), ("consumer_byte_rate", None)))
    yield alter(quota(user))
    yield alter(quota(user, rate), quota(user, ("producer_byte_rate", 11.0)))
    yield alter(quota(user, rate, rate))
    yield alter(quota([("user", f"{own}-2")], rate), validate_only=True)
    yield alter()
    side.settle()
    for kind, name in (("user", own), ("client-id", own), ("ip", "1.2.3.4"), ("user", f"{own}-2")):
        yield found(side, 1, (kind, 0, name))
    gone = [(key, None) for key in ("producer_byte_rate", "request_percentage", "controller_mutation_rate")]
    yield alter(quota(user, *gone), quota([("client-id", own)], ("consumer_byte_rate", None)))
    yield alter(quota([("ip", "1.2.3.4")], ("connection_creation_rate", None)))
    side.settle()
    yield found(side, 1, ("user", 0, own))


def found(side, version, *components, strict=False):
    """Describe quotas by (type, how to match, name) each."""
    asked = [{"entity_type": kind, "match_type": how, "match": name} for kind, how, name in components]
    answer = side.call("describe_client_quotas", version, components=asked, strict=strict)
    return sorted_by(answer, "entries.values", "entries.entity", "entries")


@SCENARIOS.of("describe_client_quotas")
def describe_client_quotas(side):
    own, version = side.own, side.version
    entities = [
        [("user", own)],
        [("user", own), ("client-id", own)],
        [("user", own), ("client-id", None)],
        [("user", None), ("client-id", own)],
        [("client-id", own)],
        [("ip", None)],
    ]

    def alter(value):
        keys = [("connection_creation_rate" if entity[0][0] == "ip" else "consumer_byte_rate") for entity in entities]
        pairs = zip(entities, keys, strict=True)
        side.call("alter_client_quotas", 1, entries=[quota(entity, (key, value)) for entity, key in pairs])
        side.settle()

    alter(1000000.0)
    yield found(side, version)
    yield found(side, version, strict=True)
    for strict in (False, True):
        for components in (
            [("user", 0, own)],
            [("user", 2, None)],
            [("user", 1, None)],
            [("user", 0, own), ("client-id", 0, own)],
            [("user", 0, own), ("client-id", 1, None)],
            [("user", 0, own), ("client-id", 2, None)],
            [("client-id", 2, None)],
            [("ip", 1, None)],
            [("user", 0, "")],
        ):
            yield found(side, version, *components, strict=strict)
    for components in (
        [("", 0, "a")],
        [("nothing", 0, "a")],
        [("user", 0, None)],
        [("user", 1, "a")],
        [("user", 2, "a")],
        [("user", 3, None)],
        [("user", 0, "a"), ("user", 0, "b")],
        [("ip", 2, None), ("user", 2, None)],
    ):
        yield found(side, version, *components)
    alter(None)
    yield found(side, version)


@SCENARIOS.of("create_topics", 5, 7)
def controller_mutation_quota(side):
    """What is over the limit is refused in new versions and done in old ones; both are told to wait."""
    own = side.own
    user = "bob" if side.version >= 6 else "alice"  # what one owes is not forgiven with the quota

    def topics(count, name, **options):
        topic = {"name": f"{own}-{name}", "num_partitions": count, "replication_factor": 1}
        answer = side.call("create_topics", user=user, topics=[topic], timeout=10000, **options)
        waits = answer.pop("throttle_time") > 0
        return waits, [(each["error_code"], each["error_message"]) for each in answer["topics"]]

    side.allow(acl(user, 2, 2, own, resource_pattern_type=PREFIXED))
    limit = quota([("user", user)], ("controller_mutation_rate", 50.0))
    side.call("alter_client_quotas", 1, entries=[limit])
    side.settle()
    yield topics(2050, "a", validate_only=True)  # of a burst of 550: now 30 s must pass
    if side.version >= 6:  # before, the connection is muted
        yield topics(10, "not a name!")
        yield topics(1, "a")
    side.log_out(user)
    side.call("alter_client_quotas", 1, entries=[quota([("user", user)], ("controller_mutation_rate", None))])
    side.forget_acls()


# -- delegation tokens ------------------------------------------------------------------------------------------------


def token_request(**fields):
    """Return the fields of CreateDelegationToken."""
    nothing = {"owner_principal_type": None, "owner_principal_name": None, "renewers": [], "max_lifetime": -1}
    return nothing | fields


def user(name, kind="User"):
    """Return a principal as requests about tokens name it."""
    return {"principal_type": kind, "principal_name": name}


def known(side: SecuredSide, token: Any) -> None:
    """Wait until a new token is known: Apache Kafka answers before."""

    def seen() -> bool:
        tokens = side.call("describe_delegation_token", 3, owners=None)["tokens"]
        return token["token_id"] in [each["token_id"] for each in tokens]

    eventually(seen)


@SCENARIOS.of(
    "create_delegation_token",
    also=["renew_delegation_token", "expire_delegation_token", "describe_delegation_token"],
)
def delegation_tokens(side):
    def create(who, version=None, **fields):
        answer = side.call("create_delegation_token", version, user=who, **token_request(**fields))
        if answer["error_code"] == "none":
            known(side, answer)
            issued = answer["issue_timestamp"]
            lives = {key: answer[key] - issued for key in ("expiry_timestamp", "max_timestamp")}
            return answer, (lives, len(answer["hmac"]))
        return answer, None

    token, lives = create("alice", renewers=[user("bob")])
    yield token
    yield lives
    yield create("alice", max_lifetime=60_000)[1]
    yield create("alice", renewers=[user("a group", "Group")])[0]
    yield create("bob", 3, owner_principal_type="User", owner_principal_name="alice")[0]
    yield create("admin", 3, owner_principal_type="User", owner_principal_name="alice")[0]
    yield create("bob", 3, owner_principal_type="User", owner_principal_name="")[0]

    latest = min(side.version, 2)

    def renew(who, hmac, period=-1):
        return side.call("renew_delegation_token", latest, user=who, hmac=hmac, renew_period=period)

    def expire(who, hmac, period):
        return side.call("expire_delegation_token", latest, user=who, hmac=hmac, expiry_time_period=period)

    hmac = token["hmac"]
    yield renew("alice", hmac)
    yield renew("bob", hmac, 60_000)
    yield renew("admin", hmac)
    yield renew("alice", b"nothing")
    yield expire("admin", hmac, 1000)
    yield expire("alice", b"nothing", 1000)
    yield expire("bob", hmac, 1000)

    def describe(who, *owners):
        asked = [user(name) for name in owners] if owners else None
        answer = side.call("describe_delegation_token", user=who, owners=asked)
        for each in answer["tokens"]:
            for name in ("issue_timestamp", "expiry_timestamp", "max_timestamp"):
                del each[name]
        mine = [each for each in answer["tokens"] if each["hmac"] == hmac]
        return [answer["error_code"], mine]

    yield describe("alice", "alice")
    yield describe("bob", "bob")
    yield describe("bob", "nobody")
    yield describe("bob")
    yield describe("admin")
    yield expire("alice", hmac, -1)
    eventually(lambda: not describe("alice", "alice")[1])
    yield renew("alice", hmac)
    with RawConnection(side.bootstrap) as nobody:
        yield nobody.call("create_delegation_token", side.version, **token_request())
        yield nobody.call("renew_delegation_token", latest, hmac=hmac, renew_period=-1)
        yield nobody.call("expire_delegation_token", latest, hmac=hmac, expiry_time_period=-1)
        yield nobody.call("describe_delegation_token", side.version, owners=None)


@pytest.mark.parametrize(("run", "version"), SCENARIOS)
def test_answers_are_the_same(secured, run, version):
    compare(secured, run, version)


def test_without_an_authorizer_acls_are_disabled(sides):
    def ask(side):
        yield side.call("describe_acls", **acl_filter())
        yield side.call("create_acls", creations=[acl("alice", READ), acl("alice", READ, name="")])
        yield side.call("delete_acls", filters=[acl_filter(), acl_filter()])
        yield side.call("create_delegation_token", 3, **token_request())

    for version in (1, 2, 3):
        compare(sides, ask, version)
