"""Configs as DescribeConfigs shows them: value in force, source and synonyms, put together as Kafka does."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import dropwhile
from typing import TYPE_CHECKING

from kopfka_broker.config import confluent
from kopfka_broker.config.definitions import Definition, definitions, unknown_definition
from kopfka_broker.config.listener import listener_setting, setting_definition
from kopfka_broker.config.values import BrokerConfig, Source, Value

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@dataclass(frozen=True, slots=True)
class Described:
    """One config of one resource."""

    definition: Definition
    text: str | None
    synonyms: tuple[Value, ...]
    read_only: bool
    own_source: Source | None = None
    """Where the value comes from, where its synonyms do not say so."""

    @property
    def source(self) -> Source:
        """Where the value comes from; Kafka says default where nobody set it under its very name."""
        if self.own_source is not None:
            return self.own_source
        return self.synonyms[0].source if self.synonyms else Source.DEFAULT


def topic_definitions(config: BrokerConfig, overrides: Mapping[str, str]) -> Iterator[tuple[str, Definition]]:
    """Give name and definition of the configs that are shown of a topic.

    Confluent's are, as Confluent Server shows them, where the broker knows a schema registry. Where it does not, a
    topic looks as on Apache Kafka.
    """
    registry = bool(config.get(confluent.REGISTRY_URL))
    for name, definition in definitions().topic.items():
        if not definition.internal or name in overrides or (registry and name in confluent.TOPIC):
            yield name, definition


def describe_topic(config: BrokerConfig, overrides: Mapping[str, str]) -> Iterator[Described]:
    """Give every config of a topic with these settings of its own."""
    for name, definition in topic_definitions(config, overrides):
        synonyms = _synonyms(config, definition.synonyms[0].name) if definition.synonyms else []
        if name in overrides:
            synonyms.insert(0, Value(name, overrides[name], Source.DYNAMIC_TOPIC))
        yield Described(definition, config.topic_values(name, overrides)[0].text, tuple(synonyms), read_only=False)


def describe_broker(config: BrokerConfig) -> Iterator[Described]:
    """Give every config of this broker."""
    for name, definition in definitions().broker.items():
        if definition.internal and name not in config.file_settings:
            continue
        synonyms = tuple(_synonyms(config, name))
        text = synonyms[0].text if synonyms else None
        yield Described(definition, text, synonyms, read_only=definition.update == "read-only")
    own, all_brokers = config.altered.get(str(config.node_id), {}), config.altered[""]
    listeners_own = {name for name in (*config.file_settings, *own) if listener_setting(name)}
    for name in sorted(listeners_own):
        yield _of_a_listener(config, name)
    for name in sorted((own.keys() | all_brokers.keys()) - definitions().broker.keys() - listeners_own):
        values = [Value(name, own[name], Source.DYNAMIC_BROKER)] if name in own else []
        values += [Value(name, all_brokers[name], Source.DYNAMIC_DEFAULT_BROKER)] if name in all_brokers else []
        yield Described(unknown_definition(name), values[0].text, tuple(values), read_only=True)


def _of_a_listener(config: BrokerConfig, name: str) -> Described:
    """Return a setting of one listener, which has the type of the broker's config that it overrides."""
    definition = replace(setting_definition(name) or unknown_definition(name), name=name)
    sources = (
        (config.altered.get(str(config.node_id), {}), Source.DYNAMIC_BROKER),
        (config.file_settings, Source.STATIC_BROKER),
    )
    values = [Value(name, settings[name], source) for settings, source in sources if name in settings]
    # Kafka calls all of them read-only, also those it alters
    return Described(definition, values[0].text, tuple(values), read_only=True)


def describe_all_brokers(config: BrokerConfig) -> Iterator[Described]:
    """Give what was altered for all brokers of the cluster."""
    for name, text in sorted(config.altered[""].items()):
        value = Value(name, text, Source.DYNAMIC_DEFAULT_BROKER)
        definition = definitions().broker.get(name)
        yield Described(definition or unknown_definition(name), text, (value,), read_only=definition is None)


def describe_group(config: BrokerConfig, settings: Mapping[str, str]) -> Iterator[Described]:
    """Give every config of a group with these settings of its own."""
    for name, definition in definitions().group.items():
        synonyms = [Value(name, definition.default, Source.DEFAULT)]
        if definition.synonyms:
            synonyms = _synonyms(config, definition.synonyms[0].name)
        text = synonyms[0].text
        if name in settings:
            text = settings[name]
            synonyms.insert(0, Value(name, text, Source.DYNAMIC_GROUP))
        # what a group inherits counts as its default, wherever the broker has it from
        source = None if name in settings else Source.DEFAULT
        yield Described(definition, text, tuple(synonyms), read_only=False, own_source=source)


def describe_client_metrics(settings: Mapping[str, str]) -> Iterator[Described]:
    """Give every config of a subscription to clients' metrics with these settings."""
    for name, definition in definitions().client_metrics.items():
        own = (Value(name, settings[name], Source.DYNAMIC_CLIENT_METRICS),) if name in settings else ()
        yield Described(definition, settings.get(name, definition.default), own, read_only=False)


def describe_loggers(levels: Mapping[str, str]) -> Iterator[Described]:
    """Give the level of every logger."""
    for name, level in levels.items():
        definition = unknown_definition(name, sensitive=False)
        source = Source.DYNAMIC_BROKER_LOGGER
        yield Described(definition, level, (), read_only=False, own_source=source)


def _synonyms(config: BrokerConfig, name: str) -> list[Value]:
    """Return the values of a broker config and its synonyms, from the first that stands under the name itself."""
    return list(dropwhile(lambda value: value.name != name, config.values(name)))
