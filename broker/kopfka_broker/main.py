"""`kopfka broker`: command line, configuration file, health endpoint, graceful stop of the bundled broker."""

from __future__ import annotations

import argparse
import gc
import logging
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from kopfka_runtime.errors import KopfkaError, SettingsError
from kopfka_runtime.network import split_address
from kopfka_runtime.process import fail, run

if TYPE_CHECKING:
    import asyncio

    from kopfka_broker.broker import Broker
    from kopfka_broker.network.listeners import Listener

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Options:
    """The command line."""

    data: Path | None
    listen: str | None
    config: Path | None
    advertise: str | None
    health: str | None


def main(argv: list[str]) -> int:
    """Run a broker until SIGTERM or SIGINT; return the exit code."""
    options = _parse(argv)
    _without_test_libraries()

    async def start(stop: asyncio.Event) -> None:
        await _run(options, stop)

    try:
        return run(start)
    except OSError as error:
        return fail(KopfkaError(f"cannot run the broker: {error}"))


def _parse(argv: list[str]) -> Options:
    parser = argparse.ArgumentParser(
        prog="kopfka broker",
        description="Run the bundled Kafka broker: one process, one cluster, durable, on Kafka's own files.",
    )
    parser.add_argument("--data", type=Path, metavar="DIR", help="data folder (instead of log.dirs in the config)")
    parser.add_argument(
        "--listen",
        metavar="HOST:PORT",
        help="listen here in plain text, beside `listeners` of the config (:9092 without either)",
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="server.properties with Kafka's names")
    parser.add_argument(
        "--advertise", metavar="HOST:PORT", help="address clients are told (instead of what --listen says)"
    )
    parser.add_argument(
        "--health",
        metavar="HOST:PORT|off",
        help="serve /healthz, /readyz and /metrics here (the host of --listen, port 9404)",
    )
    parsed = parser.parse_args(argv)
    return Options(parsed.data, parsed.listen, parsed.config, parsed.advertise, parsed.health)


def _without_test_libraries() -> None:
    """Keep kio from importing hypothesis, which it does wherever that is installed: 0.3 s and 13 MB for nothing."""
    if "kio" in sys.modules or "hypothesis" in sys.modules:
        return
    sys.modules["hypothesis"] = None  # type: ignore[assignment]
    try:
        import kio.static.primitive  # noqa: F401, PLC0415
    finally:
        del sys.modules["hypothesis"]


async def _run(options: Options, stop: asyncio.Event) -> None:
    # imported here, so that a mistake in the command line is told at once
    from kopfka_broker.broker import Broker  # noqa: PLC0415
    from kopfka_broker.config.used import USED  # noqa: PLC0415
    from kopfka_broker.config.values import BrokerConfig  # noqa: PLC0415
    from kopfka_broker.network.listeners import listeners_from  # noqa: PLC0415

    settings = _read_settings(options.config)
    config = BrokerConfig(settings)
    unused = config.unused(USED)
    if unused:
        log.info("settings of Apache Kafka without use in the bundled broker, ignored: %s", ", ".join(unused))
    listen = _address(options.listen, "--listen")
    listeners = listeners_from(settings, listen, _address(options.advertise, "--advertise"))
    folder = _data_folder(options, settings)
    # what the command line says is shown to clients as if it stood in the file
    config.file_settings |= {
        "log.dirs": str(folder),
        "node.id": str(config.node_id),
        "listeners": ",".join(map(str, listeners.bound)),
        "advertised.listeners": ",".join(map(str, listeners.advertised.values())),
    }
    broker = Broker(folder, config, listeners)
    health = await _serve_health(broker, options, listeners.bound[-1] if listen else listeners.bound[0])
    await broker.start()
    try:
        # everything that lives as long as the process: the garbage collector needs not to look at it again
        gc.freeze()
        await broker.serve(stop)
        if health is not None:
            health.close()
    finally:
        await broker.close()
    log.info("stopped cleanly")


async def _serve_health(broker: Broker, options: Options, listener: Listener) -> asyncio.Server | None:
    if options.health == "off":
        return None
    from kopfka_broker.metrics.collector import BrokerCollector  # noqa: PLC0415
    from kopfka_broker.metrics.partitions import partition_metrics  # noqa: PLC0415
    from kopfka_runtime.health import DEFAULT_PORT, Health, serve_health  # noqa: PLC0415

    health = Health()
    health.add_readiness("broker", broker.unready)
    health.add_collector(BrokerCollector(broker.cluster))
    health.add_text(partial(partition_metrics, broker.cluster))
    address = _address(options.health, "--health")
    host, port = (address.host, address.port) if address else (listener.host, DEFAULT_PORT)
    return await serve_health(health, host, port)


def _read_settings(path: Path | None) -> dict[str, str]:
    if path is None:
        return {}
    from kopfka_runtime.settings import parse_properties  # noqa: PLC0415

    try:
        return parse_properties(path.read_text("utf-8"))
    except OSError as error:
        raise SettingsError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError:
        raise SettingsError(f"cannot read {path}: it is not UTF-8") from None


def _data_folder(options: Options, settings: dict[str, str]) -> Path:
    if options.data is not None:
        return options.data
    folders = [
        each.strip() for each in settings.get("log.dirs", settings.get("log.dir", "")).split(",") if each.strip()
    ]
    if not folders:
        raise SettingsError("no data folder: pass --data DIR, or set log.dirs")
    if len(folders) > 1:
        raise SettingsError("log.dirs names several folders: the bundled broker keeps one; pass --data DIR")
    return Path(folders[0])


def _address(text: str | None, option: str) -> Listener | None:
    from kopfka_broker.network.listeners import DEFAULT_NAME, Listener  # noqa: PLC0415

    if text is None:
        return None
    try:
        host, port = split_address(text)
    except ValueError as error:
        raise SettingsError(f"{option}: {error}") from None
    return Listener(DEFAULT_NAME, host, port)
