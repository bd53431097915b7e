"""kcat, as a person at a shell uses it."""

from __future__ import annotations

import json
import subprocess

import pytest

from support.kafka import CODECS, stored_codecs
from support.prerequisites import need_command

pytestmark = pytest.mark.kcat


@pytest.fixture
def kcat(broker):
    path = need_command("kcat", "apt-get install kcat")

    def run(*arguments, stdin=b""):
        command = [path, "-b", broker.bootstrap, "-m", "30", *arguments]
        done = subprocess.run(command, input=stdin, capture_output=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    return run


@pytest.mark.client("kcat", "produce, consume, list, query")
def test_list_shows_brokers_topics_and_partitions(kcat, broker, create_topic):
    topic = create_topic(partitions=3)
    listing = json.loads(kcat("-L", "-J"))
    assert [entry["name"] for entry in listing["brokers"]] == [broker.bootstrap]
    partitions = {entry["topic"]: entry["partitions"] for entry in listing["topics"]}[topic]
    node = listing["brokers"][0]["id"]
    assert [(p["partition"], p["leader"], p["replicas"], p["isrs"]) for p in partitions] == [
        (number, node, [{"id": node}], [{"id": node}]) for number in range(3)
    ]


@pytest.mark.client("kcat", "produce, consume, list, query")
def test_what_is_produced_is_consumed_with_keys_headers_and_nulls(kcat, topic):
    kcat("-P", "-t", topic, "-K", ":", "-Z", "-H", "origin=kcat", stdin="a:1\nb:zwei €\nc:\n:4\n".encode())
    text = kcat("-C", "-t", topic, "-e", "-q", "-Z", "-f", "%o %k %s %h\n").decode()
    assert text.splitlines() == [
        "0 a 1 origin=kcat",
        "1 b zwei € origin=kcat",
        "2 c NULL origin=kcat",
        "3 NULL 4 origin=kcat",
    ]


@pytest.mark.client("kcat", "all codecs")
@pytest.mark.parametrize("codec", CODECS)
def test_codecs_pass_through(kcat, broker, topic, codec):
    lines = b"".join(b"line %d of many that compress well\n" % number for number in range(500))
    # one batch: librdkafka does not compress a last one of a line or two, which would be no smaller
    kcat("-P", "-t", topic, "-z", codec, "-X", "acks=all", "-X", "linger.ms=2000", stdin=lines)
    assert kcat("-C", "-t", topic, "-e", "-q") == lines
    assert stored_codecs(broker.data, topic) == {codec}


@pytest.mark.client("kcat", "produce, consume, list, query")
def test_consume_from_offsets_and_to_the_end(kcat, topic):
    kcat("-P", "-t", topic, stdin=b"".join(b"%d\n" % number for number in range(10)))
    assert kcat("-C", "-t", topic, "-o", "7", "-e", "-q").split() == [b"7", b"8", b"9"]
    assert kcat("-C", "-t", topic, "-o", "-2", "-e", "-q").split() == [b"8", b"9"]
    assert kcat("-C", "-t", topic, "-o", "beginning", "-c", "3", "-q").split() == [b"0", b"1", b"2"]
    assert kcat("-C", "-t", topic, "-o", "end", "-e", "-q") == b""


@pytest.mark.client("kcat", "produce, consume, list, query")
def test_query_offsets_by_timestamp(kcat, topic):
    kcat("-P", "-t", topic, stdin=b"first\n")
    kcat("-P", "-t", topic, stdin=b"second\n")
    stamps = [int(line) for line in kcat("-C", "-t", topic, "-e", "-q", "-f", "%T\n").split()]
    assert stamps == sorted(stamps)
    assert _queried(kcat("-Q", "-t", f"{topic}:0:-2")) == 0
    assert _queried(kcat("-Q", "-t", f"{topic}:0:-1")) == 2
    assert _queried(kcat("-Q", "-t", f"{topic}:0:{stamps[0]}")) == 0
    assert _queried(kcat("-Q", "-t", f"{topic}:0:{stamps[1]}")) == (1 if stamps[1] > stamps[0] else 0)
    assert _queried(kcat("-Q", "-t", f"{topic}:0:{stamps[1] + 1}")) in (
        2,
        -1,
    )  # librdkafka 2.0 prints either for "none"


def _queried(output):
    return int(output.decode().rsplit(None, 1)[-1])


@pytest.mark.client("kcat", "group")
def test_group_of_one_reads_commits_and_goes_on(kcat, create_topic):
    topic = create_topic(partitions=2)
    group = f"{topic}-group"
    kcat("-P", "-t", topic, "-p", "0", stdin=b"a\nb\n")
    kcat("-P", "-t", topic, "-p", "1", stdin=b"c\n")
    first = kcat("-G", group, "-c", "3", "-q", "-X", "auto.offset.reset=earliest", topic)
    assert sorted(first.split()) == [b"a", b"b", b"c"]
    kcat("-P", "-t", topic, "-p", "1", stdin=b"d\n")
    second = kcat("-G", group, "-c", "1", "-q", "-X", "auto.offset.reset=earliest", topic)
    assert second.split() == [b"d"]
