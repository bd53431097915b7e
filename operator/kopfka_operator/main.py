"""`kopfka operator`: the command line of the operator."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from kopfka_runtime.health import DEFAULT_PORT
from kopfka_runtime.network import split_address
from kopfka_runtime.process import run

if TYPE_CHECKING:
    import asyncio

    from kopfka_operator.operator import Options


def main(argv: list[str]) -> int:
    """Run the operator until it is told to stop; return the exit code."""
    options = _parser().parse_args(argv)

    async def operate(stop: asyncio.Event) -> None:
        from kopfka_operator import operator  # noqa: PLC0415 - kopf and aiohttp, not for --help

        await operator.operate(_options(options), stop)

    return run(operate)


def _options(parsed: argparse.Namespace) -> Options:
    from kopfka_operator.operator import Options  # noqa: PLC0415

    return Options(tuple(parsed.namespace or ()), parsed.health, parsed.leader_election == "on", parsed.resync)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="kopfka operator",
        description="Brings Kafka clusters and topics to what their custom resources say.",
        epilog="Kubernetes is found by KUBECONFIG, else by the pod's service account, else by ~/.kube/config. "
        "KOPFKA_IMAGE is the image of brokers whose resource names none.",
    )
    parser.add_argument(
        "--namespace", action="append", metavar="NAME", help="serve this namespace only (may be repeated; default: all)"
    )
    parser.add_argument(
        "--health",
        type=_health,
        default=f"0.0.0.0:{DEFAULT_PORT}",
        metavar="HOST:PORT",
        help="where to serve health and metrics, or off (default: %(default)s)",
    )
    parser.add_argument(
        "--leader-election",
        choices=("on", "off"),
        default="on",
        help="let only one of several operators act, by a Lease (default: on)",
    )
    parser.add_argument(
        "--resync",
        type=_seconds,
        default=30.0,
        metavar="SECONDS",
        help="how often to look for changes made outside (default: 30)",
    )
    return parser


def _health(text: str) -> tuple[str, int] | None:
    if text == "off":
        return None
    try:
        return split_address(text, DEFAULT_PORT)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1
    if not 1 <= seconds <= 86_400:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time: write seconds, from 1 to 86400")
    return seconds
