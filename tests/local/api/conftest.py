"""A local API server for each test that asks for one: in this process, or on a socket."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from kopfka_local.api.cluster import Cluster
from kopfka_local.api.credentials import ensure_credentials, write_kubeconfig
from kopfka_local.api.server import serve
from local.api.clients import Client

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


# how long an example takes says nothing on a machine that does other things too
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """A cluster without a socket."""
    cluster = Cluster(tmp_path / "state")
    yield cluster
    cluster.close()


class RunningServer:
    """A served cluster on an event loop in a thread of its own, as tests and kubectl are other clients."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self.kubeconfig = state / "kubeconfig"
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),))
        self._thread.start()
        self._ready.wait(20)
        if self._failure is not None:
            raise self._failure
        self.client = Client(self.kubeconfig)

    async def _serve(self) -> None:
        try:
            self.cluster = Cluster(self.state)
            credentials = ensure_credentials(self.state)
            server = await serve(
                self.cluster,
                token=credentials.token,
                certificate=credentials.certificate,
                key=credentials.key,
                log_reader=read_log,
            )
            write_kubeconfig(self.kubeconfig, server=server.url, credentials=credentials)
        except BaseException as error:
            self._failure = error
            raise
        finally:
            self._ready.set()
        await self._stop.wait()
        await server.close()
        self.cluster.close()

    def stop(self) -> None:
        """Stop it as `kopfka up` does."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(20)
        assert not self._thread.is_alive(), "the server did not stop"


async def read_log(namespace: str, pod: str, container: str, **wanted: object):  # type: ignore[no-untyped-def]
    """Stand in for the node: say what was asked for."""
    yield f"{namespace}/{pod}/{container} tail={wanted['tail_lines']} follow={wanted['follow']}\n".encode()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server on loopback, shared by the tests of a module."""
    running = RunningServer(tmp_path_factory.mktemp("state"))
    yield running
    running.stop()


@pytest.fixture
def client(server: RunningServer) -> Client:
    """A client of `server`."""
    return server.client
