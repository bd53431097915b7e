"""Leader election against a real API server, with clocks of its own: never two leaders, and a quick change of them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from kopfka_operator.errors import ApiUnreachableError, LeadershipLostError
from kopfka_operator.kube.resources import LEASES, Ref
from kopfka_operator.leader import LEASE_SECONDS, RENEW_SECONDS, LeaderElector
from support.clocks import Clock

if TYPE_CHECKING:
    from conftest import Api, Bench


@pytest.fixture
def clock() -> Clock:
    return Clock(1000.0)


def candidate(bench: Bench, clock: Clock, identity: str) -> LeaderElector:
    return LeaderElector(bench.context.client, "default", identity, clock=clock)


async def tries(elector: LeaderElector) -> bool:
    return await elector.attempt()


async def test_one_leads_and_the_other_waits_until_the_lease_has_run_out(api: Api, bench: Bench, clock: Clock) -> None:
    first, second = candidate(bench, clock, "first"), candidate(bench, clock, "second")
    assert await tries(first)
    assert first.leads
    assert not await tries(second)
    assert not second.leads
    clock.now += LEASE_SECONDS - 0.1
    assert not await tries(second)
    assert not first.leads, "the first has stopped long before the second may start"
    clock.now += 0.2
    assert await tries(second)
    lease = (await api.get(LEASES, "kopfka-operator"))["spec"]
    assert (lease["holderIdentity"], lease["leaseTransitions"], lease["leaseDurationSeconds"]) == ("second", 1, 15)


async def test_a_renewal_seen_starts_the_wait_anew(bench: Bench, clock: Clock) -> None:
    first, second = candidate(bench, clock, "first"), candidate(bench, clock, "second")
    assert await tries(first)
    assert not await tries(second)
    clock.now += LEASE_SECONDS - 5
    assert await tries(first)
    clock.now += 6
    assert not await tries(second)


async def test_a_lease_given_back_is_free_at_once(bench: Bench, clock: Clock) -> None:
    first, second = candidate(bench, clock, "first"), candidate(bench, clock, "second")
    assert await tries(first)
    await first.release()
    assert not first.leads
    assert await tries(second)
    await first.release()  # not its own any more: left alone
    assert second.leads


async def test_a_restarted_container_of_the_same_pod_leads_on_at_once(bench: Bench, clock: Clock) -> None:
    assert await tries(candidate(bench, clock, "pod-1"))
    assert await tries(candidate(bench, clock, "pod-1"))


async def test_whoever_finds_another_holder_stops(
    api: Api, bench: Bench, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kopfka_operator.leader.RETRY_SECONDS", 0.01)
    first = candidate(bench, clock, "first")
    assert await tries(first)
    await api.patch(LEASES, "kopfka-operator", {"spec": {"holderIdentity": "usurper"}})
    with pytest.raises(LeadershipLostError, match="held by usurper"):
        await first.hold()
    assert not first.leads


async def test_whoever_cannot_renew_in_time_stops(bench: Bench, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kopfka_operator.leader.RETRY_SECONDS", 0.01)
    first = candidate(bench, clock, "first")
    assert await tries(first)

    async def away(ref: Ref) -> None:
        clock.now += 3
        raise ApiUnreachableError("gone")

    monkeypatch.setattr(bench.context.client, "get", away)
    started = clock.now
    with pytest.raises(LeadershipLostError, match="not renewed in time"):
        await first.hold()
    assert clock.now - started <= RENEW_SECONDS + 3


async def test_a_lost_race_for_a_free_lease_is_no_lead(bench: Bench, clock: Clock) -> None:
    electors = [candidate(bench, clock, f"candidate-{number}") for number in range(5)]
    results = await asyncio.gather(*map(tries, electors))
    assert sum(results) == 1
    assert [elector.leads for elector in electors] == results
