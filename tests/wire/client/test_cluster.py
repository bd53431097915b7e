"""A cluster's client: bootstrap, who leads, who coordinates, what is repeated and what is not."""

from __future__ import annotations

import asyncio

import pytest
from kio.schema.errors import ErrorCode

from kopfka_wire.apis import ApiKey
from kopfka_wire.client.admin import Admin
from kopfka_wire.client.cluster import Coordinator
from kopfka_wire.client.errors import ClosedError, RequestTimeoutError, UnreachableError
from kopfka_wire.client.fetcher import Fetcher
from kopfka_wire.client.member import Member
from kopfka_wire.client.producer import Producer
from kopfka_wire.error_codes import SaslError, UnknownTopicError
from kopfka_wire.errors import AuthenticationError
from support.processes import BrokerProcess, free_port
from support.waiting import eventually_async
from support.wire_clients import connected
from wire.client.scripted import scripted


async def test_any_of_several_bootstrap_servers_will_do(shared):
    async with connected(f"127.0.0.1:{free_port()},{shared.bootstrap}") as cluster:
        assert await cluster.check() == await cluster.check()


async def test_none_can_be_reached():
    ports = free_port(), free_port()
    bootstrap = ",".join(f"127.0.0.1:{port}" for port in ports)
    async with connected(bootstrap, default_api_timeout_ms="200") as cluster:
        with pytest.raises(UnreachableError) as caught:
            await cluster.check()
        for port in ports:
            assert f"127.0.0.1:{port}: nothing listens there" in str(caught.value)


async def test_rubbish_at_the_bootstrap_is_told():
    async def rubbish(peer):
        peer.writer.write(b"220 mail.example.org ESMTP\r\n")
        await peer.reader.read()

    async with scripted(rubbish) as server, connected(server.bootstrap, default_api_timeout_ms="200") as cluster:
        with pytest.raises(UnreachableError, match="does not speak Kafka's protocol"):
            await cluster.check()


async def test_a_broker_that_comes_late(tmp_path):
    broker = BrokerProcess(tmp_path / "data")
    async with connected(broker.bootstrap) as cluster:
        waiting = asyncio.ensure_future(cluster.check())
        await asyncio.to_thread(broker.start)
        try:
            assert await waiting
        finally:
            broker.stop()


async def test_a_broker_that_comes_back_elsewhere(tmp_path):
    first, second = BrokerProcess(tmp_path / "data"), BrokerProcess(tmp_path / "data")
    async with connected(f"{first.bootstrap},{second.bootstrap}") as cluster:
        await asyncio.to_thread(first.start)
        admin = Admin(cluster)
        await admin.create_topic("topic", 1)
        first.kill()
        await asyncio.to_thread(second.start)
        try:
            assert await admin.list_offsets("topic", [0]) == {0: 0}
        finally:
            second.stop()


async def test_a_login_that_is_refused_is_told_to_everybody_and_not_repeated():
    async def refuse(peer):
        await peer.serve_versions()
        api, version, number, body = await peer.request()
        peer.answer(api, version, number, error_code=0, mechanisms=(body.mechanism,))
        api, version, number, _ = await peer.request()
        peer.answer(api, version, number, error_code=58, error_message="no, Ann", auth_bytes=b"")
        await peer.reader.read()

    class Nobody:
        def protocols(self):
            return [("v0", b"")]

    login = {"security_protocol": "SASL_PLAINTEXT", "sasl_mechanism": "PLAIN", "sasl_username": "ann",
             "sasl_password": "pass", "reconnect_backoff_ms": "60000"}  # fmt: skip
    async with scripted(refuse) as server, connected(server.bootstrap, **login) as cluster:
        outcomes = await asyncio.gather(*(cluster.check() for _ in range(10)), return_exceptions=True)
        for outcome in outcomes:
            assert isinstance(outcome, AuthenticationError)
            assert "no, Ann" in str(outcome)
        producer = Producer(cluster)
        member = Member(cluster, "group", "sr", Nobody())
        member.start()
        for call in (
            producer.start(),
            producer.partition("topic", 0).send(b"value"),
            Fetcher(cluster, "topic", 0).poll(),
            Admin(cluster).create_topic("topic"),
            member.wait(),
        ):
            with pytest.raises(SaslError, match="no, Ann"):
                await call
        assert server.connections == 1
        await producer.close()


def metadata(peer, version, number, nodes, leader, error=0):
    make = peer.make(ApiKey.METADATA, version)
    partition = make("MetadataResponsePartition", error_code=ErrorCode.none, partition_index=0, leader_id=leader,
                     leader_epoch=3, replica_nodes=(1, 2), isr_nodes=(1, 2), offline_replicas=())  # fmt: skip
    topic = make("MetadataResponseTopic", error_code=ErrorCode(error), name="topic", topic_id=None, is_internal=False,
                 partitions=() if error else (partition,), topic_authorized_operations=0)  # fmt: skip
    brokers = tuple(make("MetadataResponseBroker", node_id=node_id, host="127.0.0.1", port=port, rack=None)
                    for node_id, port in nodes.items())  # fmt: skip
    peer.answer(ApiKey.METADATA, version, number, brokers=brokers, cluster_id="c", controller_id=1, topics=(topic,),
                error_code=0)  # fmt: skip


def offsets(peer, version, number, code, offset=-1):
    make = peer.make(ApiKey.LIST_OFFSETS, version)
    partition = make("ListOffsetsPartitionResponse", partition_index=0, error_code=ErrorCode(code), timestamp=-1,
                     offset=offset, leader_epoch=3)  # fmt: skip
    topic = make("ListOffsetsTopicResponse", name="topic", partitions=(partition,))
    peer.answer(ApiKey.LIST_OFFSETS, version, number, topics=(topic,))


async def test_who_leads_is_asked_again_when_it_has_moved():
    """Two brokers; the leader moves from the first to the second, which the client learns by being refused."""
    nodes, asked = {}, []

    async def first(peer):
        await peer.serve_versions()
        while True:
            api, version, number, _ = await peer.request()
            asked.append((1, api))
            if api is ApiKey.METADATA:
                # the broker that is asked first knows of the move only after the refusal
                metadata(peer, version, number, nodes, 2 if (1, ApiKey.LIST_OFFSETS) in asked else 1)
            else:
                offsets(peer, version, number, ErrorCode.not_leader_or_follower)

    async def second(peer):
        await peer.serve_versions()
        while True:
            api, version, number, _ = await peer.request()
            asked.append((2, api))
            offsets(peer, version, number, ErrorCode.none, 42)

    async with scripted(first) as one, scripted(second) as two, connected(one.bootstrap) as cluster:
        nodes |= {1: one.port, 2: two.port}
        assert await Admin(cluster).list_offsets("topic", [0]) == {0: 42}
    assert asked == [
        (1, ApiKey.METADATA), (1, ApiKey.LIST_OFFSETS), (1, ApiKey.METADATA), (2, ApiKey.LIST_OFFSETS),
    ]  # fmt: skip
    assert one.connections == 1


async def test_a_topic_without_a_leader_is_waited_for():
    nodes, codes = {}, [ErrorCode.unknown_topic_or_partition, ErrorCode.leader_not_available, ErrorCode.none]

    async def serve(peer):
        await peer.serve_versions()
        while True:
            api, version, number, _ = await peer.request()
            if api is ApiKey.METADATA:
                metadata(peer, version, number, nodes, 1, codes.pop(0))
            else:
                offsets(peer, version, number, ErrorCode.none, 7)

    async with scripted(serve) as server, connected(server.bootstrap) as cluster:
        nodes[1] = server.port
        assert await Admin(cluster).list_offsets("topic", [0]) == {0: 7}
    assert codes == []


async def test_calls_at_the_same_time_make_one_request():
    nodes, asked = {}, []

    async def serve(peer):
        await peer.serve_versions()
        while True:
            _, version, number, _ = await peer.request()
            asked.append(version)
            metadata(peer, version, number, nodes, 1)

    async with scripted(serve) as server, connected(server.bootstrap) as cluster:
        nodes[1] = server.port
        leaders = await asyncio.gather(*(cluster.leader("topic", 0) for _ in range(20)))
        assert {leader.node_id for leader in leaders} == {1}
        assert len(asked) == 1
        cluster.forget("topic")
        await cluster.leader("topic", 0)
        assert len(asked) == 2
        with pytest.raises(UnknownTopicError):
            await cluster.leader("topic", 1)


async def test_what_is_old_is_asked_for_again_and_used_where_nobody_answers(monkeypatch):
    nodes, asked, silent = {}, [], []

    async def serve(peer):
        await peer.serve_versions()
        while True:
            _, version, number, _ = await peer.request()
            asked.append(version)
            if silent:
                return
            metadata(peer, version, number, nodes, 1)

    async with scripted(serve) as server, connected(server.bootstrap, metadata_max_age_ms="0") as cluster:
        nodes[1] = server.port
        await cluster.leader("topic", 0)
        await cluster.leader("topic", 0)
        assert len(asked) == 2
        silent.append(True)
        assert (await cluster.leader("topic", 0)).node_id == 1
        assert len(asked) == 3


async def test_a_coordinator_is_kept_until_it_proves_wrong(cluster, name):
    found = await cluster.retrying(lambda: cluster.coordinator(Coordinator.GROUP, name), what="")
    assert found == 1
    connection = await cluster.any_connection()
    connection.close()
    assert await cluster.coordinator(Coordinator.GROUP, name) == 1
    assert not (await cluster.connection(1)).pending
    cluster.forget_coordinator(Coordinator.GROUP, name)
    assert await cluster.coordinator(Coordinator.GROUP, name) == 1


async def test_the_time_of_a_call_is_over():
    async def silent(peer):
        await peer.serve_versions()
        await peer.reader.read()

    async with scripted(silent) as server, connected(server.bootstrap, default_api_timeout_ms="100") as cluster:
        with pytest.raises(RequestTimeoutError, match=r"default\.api\.timeout\.ms"):
            await cluster.check()


async def test_closing_ends_what_waits_and_nothing_begins_after():
    async def silent(peer):
        await peer.request()
        await peer.reader.read()

    async with scripted(silent) as server, connected(server.bootstrap) as cluster:
        opening = asyncio.ensure_future(cluster.check())
        await eventually_async(lambda: server.connections)
        await cluster.close()
        with pytest.raises(ClosedError):
            await opening
        with pytest.raises(ClosedError):
            await cluster.check()


async def test_who_is_cancelled_while_connecting_leaves_nothing_behind():
    async def silent(peer):
        await peer.request()
        await peer.reader.read()

    async with scripted(silent) as server, connected(server.bootstrap) as cluster:
        opening = asyncio.ensure_future(cluster.check())
        await eventually_async(lambda: server.connections)
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
        await eventually_async(lambda: not cluster._pool._opening)
