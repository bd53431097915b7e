"""The command `kopfka mirror`: its options, and the flows of one process."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Final

from kopfka_runtime.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kopfka_mirror.settings import MirrorSettings
    from kopfka_runtime.health import Health

_STOP_SECONDS: Final = 5.0
log = logging.getLogger(__name__)


def main(arguments: Sequence[str]) -> int:
    """Mirror until a signal stops it; return the exit code."""
    options = _parser().parse_args(arguments)
    from kopfka_runtime.process import run  # noqa: PLC0415 - `--help` needs none of it

    return run(lambda stop: _run(options, stop))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="kopfka mirror", description="Replicates topics between clusters, by MirrorMaker 2's settings and topics."
    )
    parser.add_argument(
        "--config",
        type=Path,
        required=True,
        metavar="FILE",
        help="a properties file with MirrorMaker 2's setting names",
    )
    parser.add_argument(
        "--health",
        metavar="HOST:PORT",
        help="where health and metrics are; `off` for nowhere (default: 0.0.0.0, port 9404)",
    )
    return parser


async def _run(options: argparse.Namespace, stop: asyncio.Event) -> None:
    from kopfka_mirror.settings import read_settings  # noqa: PLC0415
    from kopfka_runtime.health import DEFAULT_PORT, Health, serve_health  # noqa: PLC0415
    from kopfka_runtime.network import split_address  # noqa: PLC0415

    settings = read_settings(_read(options.config))
    if settings.unused:
        log.info("settings without use in this replicator, ignored: %s", ", ".join(settings.unused))
    health = Health()
    server = None
    if options.health != "off":
        try:
            host, port = split_address(options.health) if options.health else ("0.0.0.0", DEFAULT_PORT)
        except ValueError as error:
            raise SettingsError(f"--health: {error}") from None
        server = await serve_health(health, host, port)
    try:
        await _mirror(settings, health, stop)
    finally:
        if server is not None:
            server.close()
    log.info("stopped cleanly")


async def _mirror(settings: MirrorSettings, health: Health, stop: asyncio.Event) -> None:
    from kopfka_mirror.emitting import Heartbeats, every  # noqa: PLC0415
    from kopfka_mirror.flow import Flow  # noqa: PLC0415
    from kopfka_mirror.metrics import MirrorCollector  # noqa: PLC0415
    from kopfka_wire.client.cluster import Cluster  # noqa: PLC0415

    async with contextlib.AsyncExitStack() as stack:
        clusters = {alias: await stack.enter_async_context(Cluster(each)) for alias, each in settings.clusters.items()}
        flows = [Flow(each, clusters[each.source], clusters[each.target]) for each in settings.flows]
        factor = settings.flows[0].replication_factors.get("heartbeats.topic.")
        beats = [
            (Heartbeats(source, target, clusters[target], factor), interval, f"heartbeats {source}->{target}")
            for source, target, interval in settings.heartbeats
        ]
        health.add_collector(MirrorCollector(flows))
        for flow in flows:
            health.add_readiness(flow.settings.name, flow.trouble)
            health.add_readiness(f"{flow.settings.name} partitions", flow.failed)
        work = [asyncio.create_task(flow.run(), name=flow.settings.name) for flow in flows]
        work += [asyncio.create_task(every(interval, beat.beat, what), name=what) for beat, interval, what in beats]
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait([stopping, *work], return_when=asyncio.FIRST_COMPLETED)
            for flow in flows:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_STOP_SECONDS):
                        await flow.drain()
        finally:
            for task in (stopping, *work):
                task.cancel()
            results = await asyncio.gather(*work, return_exceptions=True)
            for flow in flows:
                await flow.close()
            for beat, _, _ in beats:
                await beat.close()
        for result in results:
            if isinstance(result, Exception):
                raise result.exceptions[0] if isinstance(result, ExceptionGroup) else result


def _read(path: Path) -> dict[str, str]:
    from kopfka_runtime.settings import parse_properties  # noqa: PLC0415

    try:
        return parse_properties(path.read_text("utf-8"))
    except OSError as error:
        raise SettingsError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError:
        raise SettingsError(f"cannot read {path}: it is not UTF-8") from None
