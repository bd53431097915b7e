"""Whatever a client sends before it has proved who it is: no answer but SASL's, no crash, nothing left behind."""

from __future__ import annotations

import asyncio
import logging
import struct

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from broker.live import live_broker
from kopfka_wire.apis import ApiKey
from kopfka_wire.codec import codec
from support.waiting import eventually_async

PLAIN = "org.apache.kafka.common.security.plain.PlainLoginModule"
SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule"


def request(key, version, **fields):
    form = codec(key, version)
    return form.write_request(form.make_request(**fields), 1, "x")


FRAMES = {
    "versions": request(ApiKey.API_VERSIONS, 0),
    "plain": request(ApiKey.SASL_HANDSHAKE, 1, mechanism="PLAIN"),
    "bare": request(ApiKey.SASL_HANDSHAKE, 0, mechanism="PLAIN"),
    "scram": request(ApiKey.SASL_HANDSHAKE, 1, mechanism="SCRAM-SHA-256"),
    "nothing": request(ApiKey.SASL_AUTHENTICATE, 2, auth_bytes=b""),
    "first": request(ApiKey.SASL_AUTHENTICATE, 2, auth_bytes=b"n,,n=ann,r=abc"),
    "wrong": request(ApiKey.SASL_AUTHENTICATE, 2, auth_bytes=b"\0ann\0wrong"),
    "list": request(ApiKey.LIST_GROUPS, 0),
}
STEP = st.one_of(
    st.sampled_from(sorted(FRAMES)).map(FRAMES.__getitem__),
    st.binary(max_size=60),
    st.builds(
        lambda name, cut, byte: FRAMES[name][:cut] + byte, st.sampled_from(sorted(FRAMES)), st.integers(0, 30),
        st.binary(max_size=3),
    ),
)  # fmt: skip


@pytest.fixture(scope="module")
def listener():
    return {
        "listeners": "SASL://127.0.0.1:0",
        "listener.security.protocol.map": "SASL:SASL_PLAINTEXT",
        "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256",
        "listener.name.sasl.plain.sasl.jaas.config": f'{PLAIN} required user_ann="right";',
        "listener.name.sasl.scram-sha-256.sasl.jaas.config": f'{SCRAM} required user_ann="right";',
        "connection.failed.authentication.delay.ms": "0",
    }


@given(st.data())
@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_rubbish_in_any_state_lets_nobody_in(tmp_path_factory, listener, caplog, data):
    caplog.set_level(logging.ERROR)
    answered = []
    async with live_broker(tmp_path_factory.mktemp("any"), **listener) as live:
        port = live.broker.cluster.listeners.advertised["SASL"].port
        state = live.broker._server.state
        start = state.dispatcher.start
        state.dispatcher.start = lambda frame, caller: answered.append(bytes(frame)) or start(frame, caller)
        for steps in data.draw(st.lists(st.lists(STEP, min_size=1, max_size=6), min_size=30, max_size=30)):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"".join(struct.pack(">i", len(step)) + step for step in steps))
            writer.write_eof()
            await asyncio.wait_for(reader.read(), 10)
            writer.close()
        await eventually_async(lambda: not state.connections)
        assert not answered  # no request ever reached a handler
        assert state.limits.count == 0
        assert not caplog.records
