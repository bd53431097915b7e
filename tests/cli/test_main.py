"""`kopfka` finds the command, or says which one was meant."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module

import pytest

from kopfka_cli.main import COMMANDS, main


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    printed = capsys.readouterr().out
    assert all(name in printed for name in COMMANDS)


def test_a_typo_gets_the_nearest_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["brokr"]) == 2
    assert capsys.readouterr().err == "kopfka: unknown command brokr: did you mean broker?\n"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_leads_to_its_room(name: str) -> None:
    assert callable(import_module(COMMANDS[name][0]).main)


def test_it_runs_as_a_module() -> None:
    done = subprocess.run([sys.executable, "-m", "kopfka_cli", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("kopfka 0.")
