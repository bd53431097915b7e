"""The command `kopfka registry`: its options, and the settings that they and the file make together."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from kopfka_runtime.errors import SettingsError

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Sequence

log = logging.getLogger(__name__)


def main(arguments: Sequence[str]) -> int:
    """Run a schema registry until a signal stops it; return the exit code."""
    options = _parser().parse_args(arguments)
    if options.hash_password:
        return _hash_password()
    from kopfka_runtime.process import run  # noqa: PLC0415 - `--help` needs none of it

    return run(lambda stop: _run(options, stop))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="kopfka registry",
        description="A schema registry with the REST API of Confluent's, on a topic in its format.",
    )
    parser.add_argument("--bootstrap", metavar="HOST:PORT", help="Kafka brokers, several by commas")
    parser.add_argument(
        "--listen", metavar="HOST:PORT", help="where to serve; http://0.0.0.0:8081 if neither said here nor in the file"
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="a properties file with Confluent's setting names")
    parser.add_argument(
        "--health", metavar="HOST:PORT", help="where health and metrics are; `off` for nowhere (default: port 9404)"
    )
    parser.add_argument(
        "--hash-password",
        action="store_true",
        help="read a password from standard input, write what may stand for it in a users file, and end",
    )
    return parser


def _hash_password() -> int:
    import getpass  # noqa: PLC0415

    from kopfka_registry.security.passwords import hash_password  # noqa: PLC0415

    password = getpass.getpass() if sys.stdin.isatty() else sys.stdin.readline().rstrip("\r\n")
    if not password:
        print("kopfka: there is no password: write it as the first line of standard input", file=sys.stderr)
        return 1
    print(hash_password(password))
    return 0


async def _run(options: argparse.Namespace, stop: asyncio.Event) -> None:
    from kopfka_registry.server import serve  # noqa: PLC0415
    from kopfka_registry.settings import read_settings  # noqa: PLC0415
    from kopfka_registry.variables import settings_of_environment  # noqa: PLC0415
    from kopfka_runtime.health import DEFAULT_PORT, Health, serve_health  # noqa: PLC0415
    from kopfka_runtime.network import split_address  # noqa: PLC0415

    given = _read(options.config) | settings_of_environment(os.environ)
    settings = read_settings(given, bootstrap=options.bootstrap, listen=options.listen)
    if settings.unused:
        log.info("settings without use in this registry, ignored: %s", ", ".join(settings.unused))
    health = Health()
    server = None
    if options.health != "off":
        try:
            host, port = split_address(options.health) if options.health else (settings.listeners[0].host, DEFAULT_PORT)
        except ValueError as error:
            raise SettingsError(f"--health: {error}") from None
        server = await serve_health(health, host, port)
    try:
        await serve(settings, health, stop)
    finally:
        if server is not None:
            server.close()
    log.info("stopped cleanly")


def _read(path: Path | None) -> dict[str, str]:
    if path is None:
        return {}
    from kopfka_runtime.settings import parse_properties  # noqa: PLC0415

    try:
        return parse_properties(path.read_text("utf-8"))
    except OSError as error:
        raise SettingsError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError:
        raise SettingsError(f"cannot read {path}: it is not UTF-8") from None
