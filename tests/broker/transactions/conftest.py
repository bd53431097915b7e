"""Tests of transactions wait for nothing: their event loop's clock jumps to the next timer."""

from __future__ import annotations

from broker.transactions.harness import VirtualLoop


def pytest_asyncio_loop_factories(config, item):
    return {"virtual": VirtualLoop}
