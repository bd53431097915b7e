"""`kopfka bench`: its options, its scenarios, and that it needs nothing heavy to say what it can do."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from kopfka_bench import plan
from kopfka_bench.brokers.java import KAFKA_VERSION, POM
from kopfka_bench.load.java import summary
from kopfka_bench.main import chosen_plan, main, parser
from kopfka_bench.profiles import PROFILES, of_librdkafka
from kopfka_bench.scenarios.catalog import SCENARIOS, load


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_scenario_is_a_module_that_runs(name: str) -> None:
    scenario = load(name)
    assert callable(scenario.run)
    assert scenario.TITLE
    assert isinstance(scenario.AIM, str)


def test_titles_are_not_shared() -> None:
    assert len({load(name).TITLE for name in SCENARIOS}) == len(SCENARIOS)


def test_what_is_given_counts_over_the_form() -> None:
    chosen = chosen_plan(parser().parse_args(["--short", "--rounds", "2", "--seconds", "0.5"]))
    assert (chosen.rounds, chosen.seconds, chosen.megabytes) == (2, 0.5, plan.SHORT.megabytes)
    assert chosen_plan(parser().parse_args([])) == plan.NORMAL


@pytest.mark.parametrize("wrong", [["--only", "nothing"], ["--short", "--full"], ["--rounds", "0"]])
def test_a_call_it_does_not_understand(wrong: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(wrong)
    assert ended.value.code == 2


def test_help_imports_no_client() -> None:
    code = "import sys, kopfka_bench.main as m; m.parser().format_help(); print('confluent_kafka' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_the_version_named_is_the_one_that_is_fetched() -> None:
    assert re.search(r"<kafka.version>(.*)</kafka.version>", POM.read_text()).group(1) == KAFKA_VERSION


def test_profiles_are_given_to_librdkafka_under_its_names() -> None:
    translated = of_librdkafka(PROFILES[0].producer | PROFILES[0].consumer)
    assert translated["queue.buffering.max.kbytes"] == "65536"
    assert translated["fetch.wait.max.ms"] == "500"
    assert "buffer.memory" not in translated


def test_the_java_tool_is_read_by_its_last_line() -> None:
    printed = (
        "10 records sent, 20.5 records/sec (0.02 MB/sec), 1 ms avg latency\n"
        "30 records sent, 40.25 records/sec (0.04 MB/sec), 1 ms avg latency, 2 ms max latency, 1 ms 50th\n"
    )
    assert summary(printed) == 40.25
    assert summary("nothing") is None
