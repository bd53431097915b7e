"""Start and graceful stop of a process: event loop, signals, exit code, and one clear line instead of a traceback."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from typing import TYPE_CHECKING

from kopfka_runtime.errors import KopfkaError
from kopfka_runtime.logs import setup_logging

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

log = logging.getLogger(__name__)


def run(main: Callable[[asyncio.Event], Awaitable[None]]) -> int:
    """Run `main(stop)` on uvloop until it returns, and return the exit code.

    SIGTERM and SIGINT set `stop`; `main` is to return soon after. A second signal ends the process at once.
    A `KopfkaError` becomes one line on standard error and exit code 1.
    """
    import uvloop  # noqa: PLC0415 - kept out of the start of commands that run no loop

    async def guarded() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()

        def on_signal(number: signal.Signals) -> None:
            if stop.is_set():
                log.warning("%s again: stopping at once", number.name)
                sys.stderr.flush()
                raise SystemExit(128 + number)
            log.info("%s: stopping", number.name)
            stop.set()

        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, on_signal, number)
        await main(stop)

    setup_logging()
    try:
        uvloop.run(guarded())
    except KopfkaError as error:
        return fail(error)
    except KeyboardInterrupt:
        return 130
    return 0


def fail(error: KopfkaError) -> int:
    """Say on standard error what could not be done, in one line, and return the exit code for it."""
    print(f"kopfka: {error}", file=sys.stderr)
    return 1
