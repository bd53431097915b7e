"""Rights, credentials, quotas and delegation tokens as an administrator handles them: by Apache Kafka's own tools."""

from __future__ import annotations

import re

import pytest

from kopfka_runtime.settings import format_properties
from support.java import tool_metric
from support.secured import ADMIN, client_config
from support.waiting import eventually

pytestmark = pytest.mark.java

ACLS = "org.apache.kafka.tools.AclCommand"
CONFIGS = "kafka.admin.ConfigCommand"
TOKENS = "org.apache.kafka.tools.DelegationTokenCommand"
TOPICS = "org.apache.kafka.tools.TopicCommand"
PRODUCER = "org.apache.kafka.tools.ConsoleProducer"
CONSUMER = "org.apache.kafka.tools.consumer.ConsoleConsumer"
PRODUCER_SPEED = "org.apache.kafka.tools.ProducerPerformance"
CONSUMER_SPEED = "org.apache.kafka.tools.ConsumerPerformance"
OFFSETS = "org.apache.kafka.tools.GetOffsetShell"
GROUPS = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand"


@pytest.fixture(params=[0, 1], ids=["kopfka", "apache-kafka"])
def side(secured, request):
    return secured[request.param]


@pytest.fixture
def run(tools, side, tmp_path):
    """Return a function that runs a tool as a user (or with a login of its own) on the listener with passwords."""

    def run(main, *arguments, user=ADMIN, login=None, check=True, option="--command-config", **options):
        config = tmp_path / f"{user}.properties"
        config.write_text(format_properties(login or client_config(user)))
        return tools.run(main, "--bootstrap-server", side.sasl, option, str(config), *arguments, check=check, **options)

    return run


def words(result):
    return result.out + result.err


@pytest.mark.client("Kafka's command-line tools", "kafka-acls")
def test_acls_are_added_listed_used_and_removed(run, side, name):
    run(TOPICS, "--create", "--topic", name, "--partitions", "1")
    run(PRODUCER, "--topic", name, user="alice", stdin="no\n", check=False)
    assert run(OFFSETS, "--topic", name).lines == [f"{name}:0:0"]

    run(ACLS, "--add", "--allow-principal", "User:alice", "--producer", "--topic", name)
    run(ACLS, "--add", "--allow-principal", "User:bob", "--consumer", "--topic", name, "--group", f"{name}-group")
    run(
        ACLS, "--add", "--deny-principal", "User:alice", "--deny-host", "10.0.0.1", "--operation", "All",
        "--topic", name[:-1], "--resource-pattern-type", "prefixed",
    )  # fmt: skip

    def listed(*arguments):
        text = run(ACLS, "--list", *arguments).out
        return set(re.findall(r"\(principal=(\S+), host=(\S+), operation=(\w+), permissionType=(\w+)\)", text))

    of_alice = {("User:alice", "*", each, "ALLOW") for each in ("WRITE", "DESCRIBE", "CREATE")}
    of_bob = {("User:bob", "*", each, "ALLOW") for each in ("READ", "DESCRIBE")}
    assert eventually(lambda: listed("--topic", name) == of_alice | of_bob, what="ACLs of the topic")
    denied = ("User:alice", "10.0.0.1", "ALL", "DENY")
    assert listed("--topic", name, "--resource-pattern-type", "match") >= of_alice | of_bob | {denied}
    assert listed("--topic", name, "--principal", "User:bob") >= of_bob
    assert listed("--group", f"{name}-group") == {("User:bob", "*", "READ", "ALLOW")}

    run(PRODUCER, "--topic", name, user="alice", stdin="one\ntwo\n")
    read = ("--topic", name, "--from-beginning", "--max-messages", "2", "--timeout-ms", "20000")
    assert run(CONSUMER, *read, "--group", f"{name}-group", user="bob").lines == ["one", "two"]
    assert not run(CONSUMER, *read, "--group", f"{name}-group", user="alice", check=False).lines
    assert not run(CONSUMER, *read, "--group", "another", user="bob", check=False).lines
    groups = run(GROUPS, "--list", user="bob", check=False)
    assert f"{name}-group" in groups.out

    run(ACLS, "--remove", "--force", "--allow-principal", "User:alice", "--producer", "--topic", name)
    run(ACLS, "--remove", "--force", "--topic", name[:-1], "--resource-pattern-type", "prefixed")
    assert eventually(lambda: listed("--topic", name, "--resource-pattern-type", "match") == of_bob)
    run(ACLS, "--remove", "--force", "--topic", name)
    run(ACLS, "--remove", "--force", "--group", f"{name}-group")
    assert eventually(lambda: not listed("--topic", name) and not listed("--group", f"{name}-group"))


@pytest.mark.client("Kafka's command-line tools", "every tool without the rights")
def test_who_may_not_is_told_so_by_every_tool(run, name):
    for main, arguments in (
        (ACLS, ("--list",)),
        (ACLS, ("--add", "--allow-principal", "User:alice", "--operation", "All", "--topic", "*")),
        (CONFIGS, ("--describe", "--entity-type", "users")),
        (CONFIGS, ("--alter", "--entity-type", "users", "--entity-name", "x", "--add-config", "request_percentage=1")),
        (TOPICS, ("--create", "--topic", name)),
    ):
        refused = run(main, *arguments, user="alice", check=False)
        assert refused.exit == 1
        assert re.search("Authorization(Exception| failed)|not authorized", words(refused)), refused
    assert run(TOPICS, "--list", user="alice").lines == []


@pytest.mark.client("Kafka's command-line tools", "kafka-configs: users, quotas")
def test_config_command_manages_scram_users_who_can_log_in_then(run, side, name):
    entity = ("--entity-type", "users", "--entity-name", name)
    run(
        CONFIGS,
        *entity,
        "--alter",
        "--add-config",
        "SCRAM-SHA-256=[iterations=8192,password=first],SCRAM-SHA-512=[password=x]",
        check=False,
    )
    run(CONFIGS, *entity, "--alter", "--add-config", "SCRAM-SHA-256=[iterations=8192,password=first]")
    described = eventually(lambda: re.findall(r"SCRAM.*", run(CONFIGS, *entity, "--describe").out))
    assert described == [f"SCRAM credential configs for user-principal '{name}' are SCRAM-SHA-256=iterations=8192"]
    run(ACLS, "--add", "--allow-principal", f"User:{name}", "--operation", "All", "--topic", name)
    run(TOPICS, "--create", "--topic", name)

    def seen(password):
        login = client_config(name, password, "SCRAM-SHA-256")
        result = run(TOPICS, "--list", login=login, check=False)
        return name in result.lines

    eventually(lambda: seen("first"))
    assert not seen("another")
    run(CONFIGS, *entity, "--alter", "--add-config", "SCRAM-SHA-256=[password=second]")
    eventually(lambda: seen("second"))
    run(CONFIGS, *entity, "--alter", "--delete-config", "SCRAM-SHA-256")
    eventually(lambda: not seen("second"))
    missing = run(CONFIGS, *entity, "--alter", "--delete-config", "SCRAM-SHA-256", check=False)
    assert "ResourceNotFoundException" in words(missing)
    run(ACLS, "--remove", "--force", "--topic", name)


@pytest.mark.client("Kafka's command-line tools", "kafka-configs: users, quotas")
def test_config_command_manages_quotas(run, name):
    def described(*entity):
        return run(CONFIGS, "--describe", *entity).lines

    user, client = (
        ("--entity-type", "users", "--entity-name", name),
        ("--entity-type", "clients", "--entity-name", name),
    )
    any_client = ("--entity-type", "clients", "--entity-default")
    run(CONFIGS, "--alter", *user, "--add-config", "producer_byte_rate=1000,consumer_byte_rate=2000")
    run(CONFIGS, "--alter", *user, *client, "--add-config", "request_percentage=200")
    run(CONFIGS, "--alter", *user, *any_client, "--add-config", "controller_mutation_rate=5")
    run(
        CONFIGS,
        "--alter",
        "--entity-type",
        "ips",
        "--entity-name",
        "10.1.2.3",
        "--add-config",
        "connection_creation_rate=7",
    )
    eventually(lambda: any("7" in line for line in described("--entity-type", "ips", "--entity-name", "10.1.2.3")))
    mine = [line for line in described(*user) if "Quota" in line]
    assert len(mine) == 1
    assert f"user-principal '{name}'" in mine[0]
    assert {"producer_byte_rate=1000.0", "consumer_byte_rate=2000.0"} == set(
        re.findall(r"\w+_byte_rate=[\d.]+", mine[0])
    )
    assert any("request_percentage=200.0" in line for line in described(*user, *client))
    assert any("controller_mutation_rate=5.0" in line for line in described(*user, *any_client))
    refused = run(CONFIGS, "--alter", *user, "--add-config", "producer_byte_rate=0", check=False)
    assert "InvalidRequestException" in words(refused)
    run(CONFIGS, "--alter", *user, "--delete-config", "producer_byte_rate,consumer_byte_rate")
    run(CONFIGS, "--alter", *user, *client, "--delete-config", "request_percentage")
    run(CONFIGS, "--alter", *user, *any_client, "--delete-config", "controller_mutation_rate")
    run(
        CONFIGS,
        "--alter",
        "--entity-type",
        "ips",
        "--entity-name",
        "10.1.2.3",
        "--delete-config",
        "connection_creation_rate",
    )
    eventually(lambda: not any("controller_mutation_rate" in line for line in described(*user, *any_client)))


@pytest.mark.client("Kafka's command-line tools", "kafka-delegation-tokens")
def test_delegation_tokens_are_made_used_renewed_and_expired(run, side, name):
    made = run(TOKENS, "--create", "--max-life-time-period", "-1", "--renewer-principal", "User:bob", user="alice").out
    token_id, hmac = re.search(r"(\S+)\s+(\S{80,})\s+User:alice", made).groups()
    eventually(lambda: token_id in run(TOKENS, "--describe", "--owner-principal", "User:alice", user="alice").out)
    assert token_id in run(TOKENS, "--describe", "--owner-principal", "User:bob", user="bob").out

    run(TOPICS, "--create", "--topic", name)
    run(ACLS, "--add", "--allow-principal", "User:alice", "--operation", "All", "--topic", name)
    login = client_config(token_id, hmac, "SCRAM-SHA-256", tokenauth="true")

    def logged_in():
        result = run(TOPICS, "--list", login=login, check=False)
        return result.exit == 0 and name in result.lines

    eventually(logged_in)
    refused = run(TOKENS, "--create", "--max-life-time-period", "-1", login=login, check=False)
    assert "Delegation Token requests are not allowed" in words(refused)
    wrong = run(TOPICS, "--list", login=client_config(token_id, "no", "SCRAM-SHA-256", tokenauth="true"), check=False)
    assert "invalid credentials" in words(wrong)

    assert "expiry" in run(TOKENS, "--renew", "--renew-time-period", "-1", "--hmac", hmac, user="bob").out.lower()
    stranger = run(TOKENS, "--renew", "--renew-time-period", "-1", "--hmac", hmac, check=False)
    assert "DelegationTokenOwnerMismatchException" in words(stranger)
    run(TOKENS, "--expire", "--expiry-time-period", "-1", "--hmac", hmac, user="alice")
    eventually(lambda: not logged_in())
    run(ACLS, "--remove", "--force", "--topic", name)


RATE = 2_000_000
"""Bytes a second; twice as much may come at once, with the `quota.window.num` that both have."""
RECORDS = 800
RECORD = 10_000
"""Bytes of one: all of them are more than that burst, by four megabytes."""


@pytest.mark.client("Java", "quotas")
def test_a_producer_and_a_consumer_over_their_quota_are_slowed_down(tools, run, side, name):
    """What one may do by the windows' arithmetic is done at once, the rest at the quota's pace, on both brokers."""
    run(TOPICS, "--create", "--topic", name, "--partitions", "1", "--config", "message.timestamp.type=LogAppendTime")
    entity = ("--entity-type", "clients", "--entity-name", name)
    quota = f"producer_byte_rate={RATE},consumer_byte_rate={RATE}"
    run(CONFIGS, "--alter", *entity, "--add-config", quota)
    eventually(lambda: str(RATE) in run(CONFIGS, "--describe", *entity).out)
    produced = tools.run(
        PRODUCER_SPEED, "--bootstrap-server", side.bootstrap, "--topic", name, "--num-records", str(RECORDS),
        "--record-size", str(RECORD), "--throughput", "-1", "--print-metrics",
        "--command-property", f"client.id={name}", "batch.size=100000", "linger.ms=20",
    )  # fmt: skip
    assert f"{RECORDS} records sent" in produced.out
    assert tool_metric(produced, "produce-throttle-time-max") > 0
    consumed = tools.run(
        CONSUMER_SPEED, "--bootstrap-server", side.bootstrap, "--topic", name, "--num-records", str(RECORDS),
        "--timeout", "30000", "--print-metrics", "--command-property", f"client.id={name}",
    )  # fmt: skip
    assert tool_metric(consumed, "fetch-throttle-time-max") > 0
    run(CONFIGS, "--alter", *entity, "--delete-config", "producer_byte_rate,consumer_byte_rate")

    times = [
        int(time)
        for time in re.findall(
            r"LogAppendTime:(\d+)",
            run(
                CONSUMER, "--topic", name, "--from-beginning", "--max-messages", str(RECORDS),
                "--formatter-property", "print.timestamp=true", "--formatter-property", "print.value=false",
            ).out,
        )
    ]  # fmt: skip
    assert len(times) == RECORDS
    # before a record came, those before it but for one request's were within the quota
    for number, time in enumerate(times):
        assert number * RECORD <= RATE * ((time - times[0]) / 1000 + 4) + 1_100_000, f"record {number}"
    assert times[-1] - times[0] >= 1000
