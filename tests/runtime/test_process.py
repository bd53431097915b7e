"""A process stops on SIGTERM, says its errors in one line, and logs a line a record."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

from support.waiting import eventually

_WAITS = """
import asyncio, sys
from kopfka_runtime.process import run
async def main(stop):
    print("up", flush=True)
    await stop.wait()
    print("stopped", flush=True)
sys.exit(run(main))
"""
_FAILS = """
import sys
from kopfka_runtime.errors import KopfkaError
from kopfka_runtime.process import run
async def main(stop):
    raise KopfkaError("port 9092 is taken: use another")
sys.exit(run(main))
"""
_LOGS = """
import logging
from kopfka_runtime.logs import setup_logging
setup_logging()
logging.getLogger("x").info("grüße %d", 1)
logging.getLogger("x").debug("no")
"""


def test_sigterm_ends_it_well() -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        process = subprocess.Popen([sys.executable, "-c", _WAITS], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        process.send_signal(number)
        out, _ = process.communicate(timeout=20)
        assert (out, process.returncode) == ("stopped\n", 0)


def test_an_error_is_one_line() -> None:
    done = subprocess.run([sys.executable, "-c", _FAILS], capture_output=True, text=True, timeout=20, check=False)
    assert (done.returncode, done.stderr) == (1, "kopfka: port 9092 is taken: use another\n")


def test_logs_as_text_and_as_json() -> None:
    def lines(style: str) -> list[str]:
        environment = os.environ | {"KOPFKA_LOG_FORMAT": style}
        done = subprocess.run(
            [sys.executable, "-c", _LOGS], capture_output=True, text=True, env=environment, check=True
        )
        return done.stderr.splitlines()

    (text,) = eventually(lambda: lines("text"))
    assert text.endswith("Z INFO    x: grüße 1")
    (entry,) = lines("json")
    assert json.loads(entry) | {"time": ""} == {"time": "", "level": "info", "logger": "x", "message": "grüße 1"}
