"""Whatever a request holds: it gets an answer its version can be written in, and the coordinator goes on."""

from __future__ import annotations

import asyncio
import dataclasses
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from broker.groups.harness import OK, Coordination, errors
from kopfka_broker.context import RequestContext
from kopfka_wire.apis import KAFKA_VERSIONS, ApiKey
from kopfka_wire.codec import codec

if TYPE_CHECKING:
    from kopfka_broker.groups.ports import Handler

APIS = [
    ApiKey.FIND_COORDINATOR, ApiKey.JOIN_GROUP, ApiKey.SYNC_GROUP, ApiKey.HEARTBEAT, ApiKey.LEAVE_GROUP,
    ApiKey.OFFSET_COMMIT, ApiKey.OFFSET_FETCH, ApiKey.OFFSET_DELETE, ApiKey.LIST_GROUPS, ApiKey.DESCRIBE_GROUPS,
    ApiKey.DELETE_GROUPS,
]  # fmt: skip
KNOWN = {
    "group_id": ["g", ""],
    "member_id": [""],
    "name": ["orders"],
    "generation_id": [1],
    "protocol_type": ["consumer"],
    "group_instance_id": ["i", None],
    "session_timeout": [timedelta(seconds=10)],
    "rebalance_timeout": [timedelta(milliseconds=value) for value in (-5, 0, 1, 30_000)],
}


def answered(handler: Handler, key: ApiKey, version: int, request: Any) -> Any:
    async def ask() -> Any:
        return await handler(request, RequestContext(key, version, "c", "127.0.0.1", "PLAIN"))

    return asyncio.ensure_future(ask())


@pytest.mark.parametrize("key", APIS, ids=lambda key: key.name)
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
async def test_any_request_is_answered(key: ApiKey, data: st.DataObject) -> None:
    it = await Coordination.started()
    (joined,) = await it.stable()
    for _ in range(4):
        version = data.draw(st.integers(*KAFKA_VERSIONS[key]))
        form = codec(key, version)
        request = data.draw(st.from_type(form.request))
        fields = {field.name: getattr(request, field.name) for field in dataclasses.fields(request)}
        for name, values in KNOWN.items():
            if name in fields and data.draw(st.booleans()):
                fields[name] = data.draw(
                    st.sampled_from([*values, joined.member_id] if name == "member_id" else values)
                )
        task = answered(it.handlers[key], key, version, form.request(**fields))
        await it.settle()
        if task.done():
            form.write_response(task.result())
    # whatever that was: time clears it away, and someone else can work
    for _ in range(3):
        await it.pass_time(2_000_000)
    assert errors(await it.commit({("orders", 0): 1}, group="another")) == [OK]
    (other,) = await it.stable(group="a third")
    assert await it.heartbeat(other, group="a third") is OK
