"""The data file of config definitions against the jars of Apache Kafka it was printed from."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from kopfka_broker import config
from support.java import kafka_classpath
from support.prerequisites import need_java

TOOL = Path(__file__).parents[2] / "broker" / "tools" / "DumpConfigs.java"


@pytest.mark.java
def test_the_definitions_are_kafka_s():
    need_java()
    command = ["java", "-cp", kafka_classpath(), str(TOOL)]
    printed = subprocess.run(command, capture_output=True, check=True, timeout=120).stdout
    held = Path(config.__file__).with_name("kafka.json").read_text("utf-8")
    assert json.loads(printed) == json.loads(held)
