"""The log of requests: slow ones, at most so many a second; every one where `kafka.request.logger` says so."""

from __future__ import annotations

import json
import logging

import pytest

from broker.live import batch, live_broker
from kopfka_broker.config.loggers import REQUESTS
from kopfka_broker.config.values import BrokerConfig
from kopfka_broker.context import Caller, RequestContext
from kopfka_broker.dispatch import Started
from kopfka_broker.metrics.counters import NEVER, RequestMetrics
from kopfka_broker.request_log import MOST_A_SECOND, THRESHOLD, RequestLog
from kopfka_runtime.logs import _JsonFormatter
from kopfka_wire.apis import ApiKey

CALLER = Caller(client_host="10.1.2.3", client_port=4711, software_name="librdkafka", software_version="2.11")


def started(api=ApiKey.PRODUCE):
    context = RequestContext(api, 9, "app", "10.1.2.3", "PLAINTEXT", caller=CALLER)
    return Started(api, b"", None, context, 321)


@pytest.fixture
def log(caplog):
    """Return a log with a threshold of 100 ms, its clock, and what it told."""
    caplog.set_level(logging.INFO)
    now = [0.0]
    log = RequestLog(BrokerConfig({THRESHOLD: "100"}), RequestMetrics(), clock=lambda: now[0])
    log.refresh()
    return log, now, caplog


def test_a_slow_request_is_told_with_who_and_how_long(log):
    log, _, told = log
    log.answered(started(), 0.5, 0.2, 77)
    [record] = told.records
    assert record.getMessage() == (
        "slow request: Produce version 9 of client app at 10.1.2.3:4711 took 500.0 ms (200.0 ms in work)"
    )
    entry = json.loads(_JsonFormatter().format(record))
    assert entry["level"] == "warning"
    assert {key: entry[key] for key in ("api", "version", "principal", "requestSizeBytes", "responseSizeBytes")} == {
        "api": "Produce", "version": 9, "principal": "User:ANONYMOUS", "requestSizeBytes": 321, "responseSizeBytes": 77,
    }  # fmt: skip
    assert (entry["totalTimeMs"], entry["localTimeMs"], entry["remoteTimeMs"]) == (500.0, 200.0, 300.0)


@pytest.mark.parametrize("api", [ApiKey.FETCH, ApiKey.JOIN_GROUP])
def test_waiting_as_asked_is_not_slow(log, api):
    log, _, told = log
    log.answered(started(api), 30.0, 0.001, 0)
    assert told.records == []


def test_of_many_slow_ones_some_are_told_and_the_others_counted(log):
    log, now, told = log
    for _ in range(MOST_A_SECOND + 7):
        log.answered(started(), 1.0, -1.0, 0)
    assert len(told.records) == MOST_A_SECOND
    now[0] = 1.0
    log.answered(started(), 1.0, -1.0, 0)
    assert told.records[-2].getMessage() == "7 more slow requests were not told"


def test_the_connection_tells_only_of_what_takes_so_long():
    for setting, over in (("250", 0.25), ("-1", NEVER)):
        metrics = RequestMetrics()
        RequestLog(BrokerConfig({THRESHOLD: setting}), metrics).refresh()
        assert metrics.log_over == over


async def test_a_slow_request_of_a_connection_is_told(tmp_path, caplog):
    async with live_broker(tmp_path / "data", kopfka_slow_request_ms="0") as live:
        client = await live.client()
        await client.create("t")
        await client.produce("t", batch(b"x"))
    told = [record.getMessage() for record in caplog.records if record.getMessage().startswith("slow request: Produce")]
    assert len(told) == 1
    assert "version 8 of client test at 127.0.0.1:" in told[0]


async def test_every_request_is_told_where_an_administrator_says_so(live, caplog):
    from kio.schema.incremental_alter_configs.v1.request import AlterableConfig, AlterConfigsResource

    client = await live.client()
    await client.create("t")
    try:
        for level in ("DEBUG", "WARN"):
            change = AlterableConfig(name=REQUESTS, config_operation=0, value=level)
            resource = AlterConfigsResource(resource_type=8, resource_name="1", configs=(change,))
            answer = await client.call(ApiKey.INCREMENTAL_ALTER_CONFIGS, 1, resources=(resource,), validate_only=False)
            assert answer.responses[0].error_code == 0
            await client.produce("t", batch(b"x"))
    finally:
        logging.getLogger(REQUESTS).setLevel(logging.WARNING)
    told = [record.getMessage() for record in caplog.records if record.name == REQUESTS]
    produced = [line for line in told if "'api': 'Produce'" in line]
    assert len(produced) == 1
    assert "'clientId': 'test'" in produced[0]
