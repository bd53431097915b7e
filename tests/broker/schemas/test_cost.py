"""What the check costs those who do not ask for it: nothing."""

from __future__ import annotations

import pytest

from broker.live import batch
from broker.test_hot_path import calls_for, framed
from kopfka_wire.apis import ApiKey


@pytest.mark.parametrize("acks", [1, -1])
async def test_a_topic_without_the_check_costs_what_it_cost(checking, registry, acks):
    client = await checking.client()
    await client.create("free")
    frame = framed(ApiKey.PRODUCE, 8, client.produce_fields("free", batch(b"v" * 100), acks=acks))
    before = await calls_for(checking, client, frame)
    await client.create("checked", confluent_value_schema_validation="true")
    assert checking.broker.cluster.checked_topics
    assert await calls_for(checking, client, frame) == pytest.approx(before, abs=1)
    assert registry.paths == []
