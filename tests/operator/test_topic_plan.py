"""The plan of a `KafkaTopic`: exact actions, and none once they are done."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from operator_specs import valid_topics

from kopfka_operator.actions import (
    Action,
    AddPartitions,
    AlterConfig,
    CreateTopic,
    DeleteTopic,
    HoldDeletion,
    ReleaseDeletion,
)
from kopfka_operator.api.kafkatopic import KafkaTopicSpec
from kopfka_operator.api.reasons import Reason
from kopfka_operator.kafka.admin import TopicState
from kopfka_operator.kafkatopic.plan import Observed, Topic, drift, plan, problems, same_setting
from kopfka_operator.kafkatopic.report import report
from kopfka_operator.kube.resources import KAFKA_TOPICS, Ref

REF = Ref(KAFKA_TOPICS, "ns", "orders")


def topic(**spec: Any) -> Topic:
    return Topic(REF, KafkaTopicSpec.model_validate({"cluster": "events", **spec}))


def state(partitions: int = 1, replicas: int = 1, **config: str) -> TopicState:
    return TopicState("id", partitions, replicas, {name.replace("_", "."): value for name, value in config.items()})


def test_a_missing_topic_is_made() -> None:
    wanted = topic(partitions=3, config={"retention.ms": 5})
    assert plan(wanted, Observed(None)) == [CreateTopic("orders", 3, None, {"retention.ms": "5"})]
    assert plan(topic(topicName="Orders_1"), Observed(None)) == [CreateTopic("Orders_1", None, None, {})]


def test_only_what_differs_is_altered_and_what_is_not_named_goes_back() -> None:
    wanted = topic(config={"retention.ms": 5, "segment.bytes": 7, "cleanup.policy": "compact"})
    live = state(retention_ms="5", segment_bytes="8", max_message_bytes="9")
    assert plan(wanted, Observed(live)) == [
        AlterConfig("orders", {"cleanup.policy": "compact", "segment.bytes": "7"}, ("max.message.bytes",))
    ]


def test_partitions_are_added_and_never_taken() -> None:
    assert plan(topic(partitions=5), Observed(state(3))) == [AddPartitions("orders", 5)]
    assert plan(topic(partitions=2), Observed(state(3))) == []
    (problem,) = problems(topic(partitions=2), Observed(state(3)))
    assert problem.reason is Reason.PARTITIONS_CANNOT_SHRINK
    assert "write partitions: 3 or more" in problem.message


def test_partitions_left_out_are_as_they_are() -> None:
    assert plan(topic(), Observed(state(7))) == []
    assert problems(topic(), Observed(state(7))) == []


def test_replicas_are_a_problem_when_they_differ() -> None:
    assert plan(topic(replicas=3), Observed(state())) == []
    assert [each.reason for each in problems(topic(replicas=3), Observed(state()))] == [Reason.REPLICAS_CANNOT_CHANGE]


@pytest.mark.parametrize(
    ("spec", "observed", "actions"),
    [
        ({"reclaimPolicy": "Delete"}, Observed(state()), [HoldDeletion(REF)]),
        ({"reclaimPolicy": "Delete"}, Observed(state(), held=True), []),
        ({"reclaimPolicy": "Retain"}, Observed(state(), held=True), [ReleaseDeletion(REF)]),
        (
            {"reclaimPolicy": "Delete"},
            Observed(state(), leaving=True, held=True),
            [DeleteTopic("orders"), ReleaseDeletion(REF)],
        ),
        ({"reclaimPolicy": "Retain"}, Observed(state(), leaving=True, held=True), [ReleaseDeletion(REF)]),
        ({"reclaimPolicy": "Delete"}, Observed(None, leaving=True, held=True), [ReleaseDeletion(REF)]),
        ({"reclaimPolicy": "Delete"}, Observed(state(), leaving=True, held=False), []),
        # another KafkaTopic has it: nothing of it is ours, least of all its end
        ({"reclaimPolicy": "Delete"}, Observed(state(), owner="other"), []),
        ({"reclaimPolicy": "Delete"}, Observed(state(), held=True, owner="other"), [ReleaseDeletion(REF)]),
        (
            {"reclaimPolicy": "Delete"},
            Observed(state(), leaving=True, held=True, owner="other"),
            [ReleaseDeletion(REF)],
        ),
        ({"partitions": 9}, Observed(state(), owner="other"), []),
        # held before it is made, or a deletion in between would leave it
        ({"reclaimPolicy": "Delete"}, Observed(None), [HoldDeletion(REF), CreateTopic("orders", None, None, {})]),
    ],
)
def test_deletion_and_ownership(spec: dict[str, Any], observed: Observed, actions: list[Action]) -> None:
    assert plan(topic(**spec), observed) == actions


def test_a_conflict_names_the_other() -> None:
    observed = Observed(state(5), owner="first")
    (problem,) = problems(topic(), observed)
    assert problem.reason is Reason.CONFLICT
    assert "KafkaTopic first" in problem.message
    assert "partitions" not in report(topic(), observed, []).fields


def test_drift_is_told_in_words() -> None:
    before = state(2, retention_ms="1", segment_bytes="2")
    actions: list[Action] = [
        AlterConfig("orders", {"retention.ms": "5", "cleanup.policy": "compact"}, ("segment.bytes",)),
        AddPartitions("orders", 3),
    ]
    assert drift(actions, before) == (
        "retention.ms was set to 1, is 5 again; cleanup.policy was not set, is compact again; "
        "segment.bytes was set to 2, has its default again; there were 2 partitions, there are 3 again"
    )
    assert "without its records" in drift([CreateTopic("orders", 1, 1, {})], None)
    assert drift([HoldDeletion(REF)], before) == ""


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("0.50", "0.5", True),
        ("1000", "1e3", True),
        ("compact, delete", "compact,delete", True),
        ("TRUE", "true", True),
        (" 5", "5", True),
        ("delete,compact", "compact,delete", False),
        ("1", "true", False),
        ("", "0", False),
        ("nan", "NaN", False),
    ],
)
def test_brokers_may_write_a_value_in_their_own_way(one: str, other: str, same: bool) -> None:
    assert same_setting(one, other) is same


class Kafka:
    """What a broker does with actions, as far as a plan can see."""

    def __init__(self) -> None:
        self.live: TopicState | None = None
        self.held = False

    def carry_out(self, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case HoldDeletion():
                    self.held = True
                case ReleaseDeletion():
                    self.held = False
                case CreateTopic():
                    assert self.live is None
                    self.live = TopicState("id", action.partitions or 1, action.replicas or 1, dict(action.config))
                case AlterConfig():
                    assert self.live is not None
                    config = {**self.live.config, **action.set}
                    assert set(action.unset) <= set(config)
                    config = {name: value for name, value in config.items() if name not in action.unset}
                    self.live = TopicState("id", self.live.partitions, self.live.replicas, config)
                case AddPartitions():
                    assert self.live is not None
                    assert action.total > self.live.partitions
                    self.live = TopicState("id", action.total, self.live.replicas, self.live.config)
                case _:
                    raise AssertionError(action)


@settings(max_examples=100, deadline=None)
@given(specs=st.lists(valid_topics, min_size=1, max_size=4))
def test_one_plan_is_enough_for_every_change(specs: list[dict[str, Any]]) -> None:
    kafka = Kafka()
    for spec in specs:
        wanted = topic(**{**spec, "cluster": "events", "topicName": "t"})
        kafka.carry_out(plan(wanted, Observed(kafka.live, held=kafka.held)))
        observed = Observed(kafka.live, held=kafka.held)
        assert plan(wanted, observed) == []
        assert kafka.held == (wanted.spec.reclaim_policy == "Delete")
        assert kafka.live is not None
        status = report(wanted, observed, [])
        assert status.conditions[0].status == (not problems(wanted, observed))
