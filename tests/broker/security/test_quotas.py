"""Client quotas: whose limit counts, what is kept, and who is told to wait."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kopfka_broker.apis.errors import ApiError
from kopfka_broker.config.values import BrokerConfig
from kopfka_broker.context import Caller, RequestContext
from kopfka_broker.metadata_store import MetadataStore
from kopfka_broker.security.authorizer import (
    STANDARD_AUTHORIZER,
    AllowAll,
    Operation,
    ResourceType,
    authorizer_from,
)
from kopfka_broker.security.metrics import security_metrics
from kopfka_broker.security.principal import Principal
from kopfka_broker.security.quotas import DEFAULT, ClientQuotas, Limit, QuotaKey, entity
from kopfka_broker.security.throttling import Throttling
from kopfka_broker.storage.errors import DataFolderError
from kopfka_wire.apis import ApiKey
from support.clocks import Clock

RATE = QuotaKey.PRODUCER_BYTE_RATE
LEVELS = [
    (entity(user="u", client_id="c"), ("u", "c")),
    (entity(user="u", client_id=DEFAULT), ("u", "c")),
    (entity(user="u"), ("u", "")),
    (entity(user=DEFAULT, client_id="c"), ("u", "c")),
    (entity(user=DEFAULT, client_id=DEFAULT), ("u", "c")),
    (entity(user=DEFAULT), ("u", "")),
    (entity(client_id="c"), ("", "c")),
    (entity(client_id=DEFAULT), ("", "c")),
]
"""From the strongest to the weakest, as in Kafka's ClientQuotaManager, with who shares what."""


@pytest.fixture
def quotas(tmp_path):
    return ClientQuotas(MetadataStore(tmp_path))


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def throttling(quotas, clock):
    return Throttling(quotas, clock=clock)


def context(user="u", client_id="c", version=7):
    return RequestContext(ApiKey.PRODUCE, version, client_id, "1.1.1.1", "L", Principal("User", user), Caller())


@given(present=st.sets(st.integers(0, 7)))
def test_the_strongest_level_counts(tmp_path_factory, present):
    quotas = ClientQuotas(MetadataStore(tmp_path_factory.getbasetemp()))
    quotas.quotas = {LEVELS[number][0]: {RATE: number + 1.0} for number in present}
    quotas.quotas[entity(user="somebody")] = {RATE: 99.0}
    found = quotas.limit(RATE, "u", "c")
    assert found == (Limit(min(present) + 1.0, *LEVELS[min(present)][1]) if present else None)
    assert quotas.limit(QuotaKey.CONSUMER_BYTE_RATE, "u", "c") is None


def test_not_a_number_is_no_limit(quotas):
    nothing = float("nan")
    quotas.change(
        {entity(user="u"): {"producer_byte_rate": nothing}, entity(ip=DEFAULT): {"connection_creation_rate": nothing}}
    )
    assert quotas.limit(RATE, "u", "c") is None
    assert quotas.connection_rate("1.1.1.1") is None


def test_connection_rates(quotas):
    assert quotas.connection_rate("1.1.1.1") is None
    quotas.change(
        {entity(ip=DEFAULT): {"connection_creation_rate": 5}, entity(ip="1.1.1.1"): {"connection_creation_rate": 9}}
    )
    assert [quotas.connection_rate(each) for each in ("1.1.1.1", "2.2.2.2")] == [9, 5]


def test_what_is_changed_is_kept(quotas, tmp_path):
    values = {entity(user=DEFAULT, client_id="c"): {"producer_byte_rate": 1.0, "request_percentage": 0.5}}
    quotas.change(values | {entity(user="gone"): {}})
    again = ClientQuotas(MetadataStore(tmp_path))
    again.load()
    assert again.quotas == quotas.quotas == values


@pytest.mark.parametrize(
    "rows", ['[{"entity": {}, "values": {}}]', '[{"entity": {"user": "a"}, "values": {"x": 1}}]', "[3]"]
)
def test_a_damaged_document_is_told(tmp_path, rows):
    (tmp_path / "client-quotas.json").write_text(f'{{"version": 1, "data": {rows}}}')
    with pytest.raises(DataFolderError, match="damaged"):
        ClientQuotas(MetadataStore(tmp_path)).load()


def test_nothing_is_measured_without_quotas(throttling, quotas):
    assert not throttling.active
    quotas.change({entity(ip=DEFAULT): {"connection_creation_rate": 5}})
    assert not throttling.active  # connections are no requests
    quotas.change({entity(user="u"): {"producer_byte_rate": 5}})
    assert throttling.active
    assert not throttling.measures_time
    quotas.change({})
    assert not throttling.active
    assert list(throttling.measured()) == []


def test_a_producer_over_its_limit_waits_and_its_connection_is_muted(throttling, quotas, clock):
    quotas.change({entity(user="u"): {"producer_byte_rate": 100}})
    client = context()
    assert throttling.produced(client, 900, 0.0) == 0
    assert client.caller.muted_until == 0
    assert throttling.produced(client, 300, 0.0) == 2000  # 1,200 bytes in what counts as 10 s, at 100 a second
    assert client.caller.muted_until > 0
    assert throttling.produced(context("other"), 10_000, 0.0) == 0
    clock.now = 2000
    assert throttling.produced(context(client_id="another of u"), 0, 0.0) == 2000  # shared by the user's clients
    assert [(each.key, each.user, each.throttle_ms) for each in throttling.measured()] == [(RATE, "u", 2000)]
    clock.now = 60_000
    assert throttling.produced(client, 900, 0.0) == 0


def test_a_throttled_fetch_does_not_count_its_bytes(throttling, quotas, clock):
    quotas.change({entity(client_id=DEFAULT): {"consumer_byte_rate": 100}})
    client = context()
    assert throttling.most_fetched(client) == 1000
    assert throttling.fetched(client, 2000, 0.0) == 10_000
    assert throttling.fetched(client, 900, 0.0) == 0
    quotas.change({})
    assert throttling.most_fetched(client) is None


def test_time_is_a_quota_of_its_own_and_no_wait_is_longer_than_a_window(throttling, quotas):
    quotas.change({entity(user=DEFAULT): {"request_percentage": 1}})
    assert throttling.measures_time
    assert throttling.answered(context(), 0.05) == 0
    assert throttling.answered(context(), 0.055) == 500
    assert throttling.answered(context(), 10.0) == 1000
    assert throttling.produced(context("v"), 1 << 30, 0.0) == 0


def test_mutations_are_refused_from_a_version_on_and_throttled_before(throttling, quotas, clock):
    quotas.change({entity(user="u"): {"controller_mutation_rate": 1}})
    strict = throttling.mutations(context(version=7), strict_since=6)
    strict.record(20)  # of a burst of 11: what begins within the limit is done
    assert strict.throttle_time().total_seconds() == 0
    refused = throttling.mutations(context(version=7), strict_since=6)
    with pytest.raises(ApiError) as error:
        refused.record(1)
    assert error.value.code.name == "throttling_quota_exceeded"
    assert error.value.message is None
    assert refused.throttle_time().total_seconds() == 9
    permissive = throttling.mutations(context(version=5), strict_since=6)
    permissive.record(1)
    assert permissive.throttle_time().total_seconds() == 10
    clock.now = 10_000
    again = throttling.mutations(context(version=7), strict_since=6)
    again.record(5)
    unlimited = throttling.mutations(context("v"), strict_since=6)
    unlimited.record(10_000)
    assert unlimited.throttle_time().total_seconds() == 0


def test_clients_that_are_gone_are_forgotten(throttling, quotas, clock):
    quotas.change({entity(client_id=DEFAULT): {"producer_byte_rate": 100}})
    for number in range(1001):
        throttling.produced(context(client_id=f"c{number}"), 1, 0.0)
    clock.now = 3_600_001
    throttling.produced(context(client_id="new"), 1, 0.0)
    assert len(throttling._meters) == 1


def test_metrics_show_what_quotas_measure(throttling, quotas, tmp_path):
    quotas.change({entity(user="u"): {"producer_byte_rate": 100, "controller_mutation_rate": 2}})
    throttling.produced(context(), 2000, 0.0)
    throttling.mutations(context(), strict_since=6).record(4)
    config = BrokerConfig({"authorizer.class.name": STANDARD_AUTHORIZER})
    authorizer = authorizer_from(config, MetadataStore(tmp_path))
    authorizer.allows(context(), Operation.READ, ResourceType.TOPIC, "t")
    shown = {
        (sample.name, tuple(sample.labels.values())): sample.value
        for metric in security_metrics(authorizer, throttling)
        for sample in metric.samples
    }
    assert shown == {
        ("kafka_server_authorizer_metrics_acls_total_count", ()): 0,
        ("kafka_server_authorizer_metrics_authorization_denied_total", ()): 1,
        ("kafka_server_produce_byte_rate", ("u", "")): 200,
        ("kafka_server_produce_throttle_time", ("u", "")): 10_000,
        ("kafka_server_controllermutation_tokens", ("u", "")): 18,
        ("kafka_server_controllermutation_throttle_time", ("u", "")): 0,
    }
    without = security_metrics(AllowAll(), throttling)
    assert not any("authorizer" in metric.name for metric in without)
