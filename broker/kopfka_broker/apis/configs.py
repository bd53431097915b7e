"""DescribeConfigs and ListConfigResources, for topics, brokers, groups, client metrics and loggers."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Any, Final

from kio.schema.errors import ErrorCode

from kopfka_broker.apis.access import MESSAGES, may, may_topic, refusal
from kopfka_broker.apis.errors import MALFORMED, ApiError
from kopfka_broker.apis.names import topic_name_fault
from kopfka_broker.config import loggers
from kopfka_broker.config.definitions import ConfigType
from kopfka_broker.config.described import (
    Described,
    describe_all_brokers,
    describe_broker,
    describe_client_metrics,
    describe_group,
    describe_loggers,
    describe_topic,
    topic_definitions,
)
from kopfka_broker.security.authorizer import Operation, ResourceType
from kopfka_wire.codec import codec

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from kopfka_broker.cluster import Cluster
    from kopfka_broker.config.values import BrokerConfig
    from kopfka_broker.context import RequestContext
    from kopfka_wire.codec import Codec


class ConfigResource(IntEnum):
    """What has configs, by the numbers of Kafka's ConfigResource.Type."""

    TOPIC = 2
    BROKER = 4
    BROKER_LOGGER = 8
    CLIENT_METRICS = 16
    GROUP = 32


DENIED: Final = {
    ConfigResource.TOPIC: ErrorCode.topic_authorization_failed,
    ConfigResource.GROUP: ErrorCode.group_authorization_failed,
}
"""What is said of a resource whose configs are not for the client; of others, CLUSTER_AUTHORIZATION_FAILED."""


def may_configure(
    cluster: Cluster, context: RequestContext, operation: Operation, kind: ConfigResource, name: str
) -> bool:
    """Tell whether a client may describe or alter the configs of a resource."""
    if kind is ConfigResource.TOPIC:
        return may_topic(cluster, context, operation, name)
    if kind is ConfigResource.GROUP:
        return cluster.allows(context, operation, ResourceType.GROUP, name)
    return may(cluster, context, operation)


_NAMELESS: Final = {
    ConfigResource.GROUP: "Group name must not be empty",
    ConfigResource.CLIENT_METRICS: "Client metrics subscription name must not be empty",
    ConfigResource.BROKER_LOGGER: "Broker id must not be empty",
}


def described_topic_configs(form: Codec, config: BrokerConfig, overrides: Mapping[str, str]) -> tuple[Any, ...]:
    """Return the configs of a topic as CreateTopics' answer lists them."""
    found = []
    for name, definition in topic_definitions(config, overrides):
        value = config.topic_values(name, overrides)[0]
        found.append(
            form.make(
                "CreatableTopicConfigs",
                name=name,
                value=value.text,
                read_only=False,
                config_source=value.source,
                is_sensitive=definition.sensitive,
            )
        )
    return tuple(found)


class ConfigApis:
    """Handlers over one broker."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def describe_configs(self, request: Any, context: RequestContext) -> Any:
        """Answer DescribeConfigs; what the client may not see comes last, with an error."""
        form = codec(context.api_key, context.api_version)
        kinds = [_kind(each.resource_type) for each in request.resources]
        if None in kinds:
            refused = [_result(form, each, ErrorCode.invalid_request, MALFORMED) for each in request.resources]
            return form.make(results=tuple(refused))
        described, denied = [], []
        for resource, kind in zip(request.resources, kinds, strict=True):
            assert kind is not None
            if not may_configure(self._cluster, context, Operation.DESCRIBE_CONFIGS, kind, resource.resource_name):
                code = DENIED.get(kind, ErrorCode.cluster_authorization_failed)
                denied.append(_result(form, resource, code, MESSAGES[code]))
                continue
            code, message, configs = ErrorCode.none, "", ()
            try:
                configs = self._describe(form, kind, resource, request)
            except ApiError as error:
                code, message = error.code, error.message or ""
            described.append(_result(form, resource, code, message, configs))
        return form.make(results=(*described, *denied))

    def _describe(self, form: Codec, kind: ConfigResource, resource: Any, request: Any) -> tuple[Any, ...]:
        wanted = resource.configuration_keys
        documented = getattr(request, "include_documentation", False)
        return tuple(
            _entry(form, each, synonyms=request.include_synonyms, documented=documented)
            for each in self._found(kind, resource.resource_name)
            if not wanted or each.definition.name in wanted
        )

    def _found(self, kind: ConfigResource, name: str) -> Iterable[Described]:
        cluster, config = self._cluster, self._cluster.config
        if kind is ConfigResource.TOPIC:
            return describe_topic(config, self._topic_overrides(name))
        if kind is ConfigResource.BROKER:
            if name:
                self._check_broker_id(name, "expected {} or empty string, but received {}")
            return describe_broker(config) if name else describe_all_brokers(config)
        if not name:
            raise ApiError(ErrorCode.invalid_request, _NAMELESS[kind])
        if kind is ConfigResource.GROUP:
            return describe_group(config, cluster.group_configs.of(name))
        if kind is ConfigResource.CLIENT_METRICS:
            return describe_client_metrics(cluster.client_metrics.of(name))
        self._check_broker_id(name, "expected {} but received {}")
        return describe_loggers(loggers.loggers())

    def _topic_overrides(self, name: str) -> dict[str, str]:
        fault = topic_name_fault(name)
        if fault:
            raise ApiError(ErrorCode.invalid_topic_exception, fault)
        topic = self._cluster.logs.topics.get(name)
        if topic is None:
            raise ApiError(ErrorCode.unknown_topic_or_partition)
        return topic.config

    def _check_broker_id(self, name: str, why: str) -> None:
        own = self._cluster.config.node_id
        if not name.isdigit():
            raise ApiError(ErrorCode.invalid_request, f"Broker id must be an integer, but it is: {name}")
        if int(name) != own:
            raise ApiError(ErrorCode.invalid_request, f"Unexpected broker id, {why.format(own, name)}")

    async def list_config_resources(self, request: Any, context: RequestContext) -> Any:
        """Answer ListConfigResources; in version 0, ListClientMetricsResources, it is about these only."""
        form = codec(context.api_key, context.api_version)
        code = refusal(self._cluster, context, Operation.DESCRIBE_CONFIGS)
        if code:
            return form.make(error_code=code, config_resources=())
        asked: Iterable[int] = (ConfigResource.CLIENT_METRICS,)
        if context.api_version > 0:
            asked = dict.fromkeys(request.resource_types) or tuple(ConfigResource)
        kinds = [_kind(each) for each in asked]
        if None in kinds:
            return form.make(error_code=ErrorCode.unsupported_version, config_resources=())
        found = [
            form.make("ConfigResource", resource_name=name, resource_type=kind)
            for kind in kinds
            if kind is not None
            for name in self._names(kind)
        ]
        return form.make(error_code=ErrorCode.none, config_resources=tuple(found))

    def _names(self, kind: ConfigResource) -> Iterable[str]:
        if kind is ConfigResource.TOPIC:
            return self._cluster.logs.topics
        if kind is ConfigResource.GROUP:
            return self._cluster.group_configs.names()
        if kind is ConfigResource.CLIENT_METRICS:
            return self._cluster.client_metrics.names()
        return (str(self._cluster.config.node_id),)


def _kind(number: int) -> ConfigResource | None:
    try:
        return ConfigResource(number)
    except ValueError:
        return None


def _result(form: Codec, resource: Any, code: ErrorCode, message: str, configs: tuple[Any, ...] = ()) -> Any:
    return form.make(
        "DescribeConfigsResult",
        error_code=code,
        error_message=message,
        resource_type=resource.resource_type,
        resource_name=resource.resource_name,
        configs=configs,
    )


def _entry(form: Codec, config: Described, *, synonyms: bool, documented: bool) -> Any:
    hidden = config.definition.sensitive
    return form.make(
        "DescribeConfigsResourceResult",
        name=config.definition.name,
        value=None if hidden else config.text,
        read_only=config.read_only,
        config_source=config.source,
        is_sensitive=hidden,
        synonyms=tuple(
            form.make("DescribeConfigsSynonym", name=each.name, value=None if hidden else each.text, source=each.source)
            for each in config.synonyms
        )
        if synonyms
        else (),
        config_type=config.definition.type,
        # Kafka has no documentation of loggers, and says so unasked
        documentation=config.definition.doc if documented or config.definition.type is ConfigType.UNKNOWN else None,
    )
