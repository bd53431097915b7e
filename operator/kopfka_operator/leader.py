"""Leader election by a `coordination.k8s.io` Lease, as client-go does it: two operators never both act.

The holder renews the lease every two seconds; one that could not for ten seconds stops acting at once, five seconds
before anybody else may take over. A clean stop gives the lease back, so that the next takes over at once. Clocks of
different machines are not compared: a lease counts from when its last change was seen.
"""

from __future__ import annotations

import asyncio
import logging
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from kopfka_operator.errors import ApiError, LeadershipLostError, OperatorError
from kopfka_operator.kube.resources import LEASES, Ref

if TYPE_CHECKING:
    from collections.abc import Callable

    from kopfka_operator.kube.client import KubeClient
    from kopfka_operator.kube.resources import Manifest

log = logging.getLogger(__name__)

LEASE_SECONDS = 15.0
RENEW_SECONDS = 10.0
RETRY_SECONDS = 2.0
LEASE = "kopfka-operator"


class LeaderElector:
    """One candidate."""

    def __init__(
        self,
        client: KubeClient,
        namespace: str,
        identity: str,
        *,
        name: str = LEASE,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._client = client
        self._ref = Ref(LEASES, namespace, name)
        self._identity = identity
        self._clock = clock
        self._now = now
        self._seen: tuple[Any, ...] | None = None
        self._seen_at = 0.0
        self._waits_for = ""
        self._renewed_at: float | None = None

    @property
    def leads(self) -> bool:
        """Whether this candidate may act now."""
        return self._renewed_at is not None and self._clock() - self._renewed_at < RENEW_SECONDS

    async def acquire(self) -> None:
        """Return once this candidate holds the lease."""
        while not await self.attempt():  # noqa: ASYNC110 - nobody tells when a lease ends
            await asyncio.sleep(RETRY_SECONDS)
        log.info("%s leads by %s", self._identity, self._ref)

    async def hold(self) -> None:
        """Renew until cancelled.

        Raises:
            LeadershipLostError: the lease is another's, or could not be renewed in time.
        """
        while True:
            await asyncio.sleep(RETRY_SECONDS)
            assert self._renewed_at is not None
            left = self._renewed_at + RENEW_SECONDS - self._clock()
            try:
                async with asyncio.timeout(max(left, 0)):
                    renewed = await self.attempt()
            except TimeoutError:
                renewed = False
            if renewed:
                continue
            if self._waits_for or not self.leads:
                self._renewed_at = None
                why = f"held by {self._waits_for}" if self._waits_for else "not renewed in time"
                raise LeadershipLostError(f"{self._ref} is {why}: stopping")

    async def release(self) -> None:
        """Give the lease back, if it is still this candidate's."""
        if self._renewed_at is None:
            return
        self._renewed_at = None
        try:
            lease = await self._client.get(self._ref)
            if lease is not None and _holder(lease) == self._identity:
                stamp = _stamp(self._now())
                spec = {
                    **lease["spec"],
                    "holderIdentity": "",
                    "leaseDurationSeconds": 1,
                    "renewTime": stamp,
                    "acquireTime": stamp,
                }
                await self._client.replace(self._ref, {**lease, "spec": spec})
        except OperatorError as error:
            log.info("%s is not given back: %s", self._ref, error)

    async def attempt(self) -> bool:
        """Try to get or renew the lease once; False if it is another's or the API does not let us."""
        started = self._clock()
        try:
            lease = await self._client.get(self._ref)
            if lease is None:
                await self._client.create(LEASES, self._ref.namespace, self._ref.manifest(spec=self._spec(None)))
            else:
                if not self._free(lease):
                    return False
                await self._client.replace(self._ref, {**lease, "spec": self._spec(lease)})
        except OperatorError as error:
            if not (isinstance(error, ApiError) and error.status == 409):
                log.warning("%s: %s", self._ref, error)
            return False
        self._waits_for = ""
        self._renewed_at = started
        return True

    def _free(self, lease: Manifest) -> bool:
        spec = lease.get("spec") or {}
        state = (spec.get("holderIdentity"), spec.get("renewTime"), spec.get("leaseTransitions"))
        if state != self._seen:
            self._seen, self._seen_at = state, self._clock()
        holder = _holder(lease)
        if holder in ("", self._identity):
            return True
        if self._clock() - self._seen_at >= float(spec.get("leaseDurationSeconds") or LEASE_SECONDS):
            return True
        if holder != self._waits_for:
            log.info("%s is held by %s; waiting", self._ref, holder)
            self._waits_for = holder
        return False

    def _spec(self, lease: Manifest | None) -> Manifest:
        now = _stamp(self._now())
        old = (lease or {}).get("spec") or {}
        ours = old.get("holderIdentity") == self._identity
        transitions = int(old.get("leaseTransitions") or 0)
        return {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": int(LEASE_SECONDS),
            "acquireTime": old.get("acquireTime") if ours else now,
            "renewTime": now,
            "leaseTransitions": transitions if ours or lease is None else transitions + 1,
        }


def _holder(lease: Manifest) -> str:
    return str((lease.get("spec") or {}).get("holderIdentity") or "")


def _stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
