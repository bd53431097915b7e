"""DescribeConfigs and IncrementalAlterConfigs, for topics and brokers. Validation and answers are Kafka's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kio.schema.errors import ErrorCode

from kopfka_broker.apis.errors import MALFORMED, ApiError
from kopfka_broker.apis.names import topic_name_fault
from kopfka_broker.config.definitions import ConfigType, Definition, definitions
from kopfka_broker.config.described import Described, describe_all_brokers, describe_broker, describe_topic
from kopfka_broker.config.values import BrokerConfig, check_topic_configs
from kopfka_broker.storage import StorageError
from kopfka_runtime.errors import SettingsError
from kopfka_wire.codec import codec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kopfka_broker.cluster import Cluster
    from kopfka_broker.context import RequestContext
    from kopfka_wire.codec import Codec

_TOPIC, _BROKER = 2, 4
_SET, _DELETE, _APPEND, _SUBTRACT = range(4)
_VERBS = {_APPEND: "append", _SUBTRACT: "subtract"}


def described_topic_configs(form: Codec, config: BrokerConfig, overrides: Mapping[str, str]) -> tuple[Any, ...]:
    """Return the configs of a topic as CreateTopics' answer lists them."""
    found = []
    for name, definition in definitions().topic.items():
        if definition.internal and name not in overrides:
            continue
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

    # -- DescribeConfigs ----------------------------------------------------------------------------------------------

    async def describe_configs(self, request: Any, context: RequestContext) -> Any:
        """Answer DescribeConfigs."""
        form = codec(context.api_key, context.api_version)
        results = []
        for resource in request.resources:
            code, message, configs = ErrorCode.none, "", ()
            try:
                configs = self._describe(form, resource, request)
            except ApiError as error:
                code, message = error.code, error.message or ""
            results.append(
                form.make(
                    "DescribeConfigsResult",
                    error_code=code,
                    error_message=message,
                    resource_type=resource.resource_type,
                    resource_name=resource.resource_name,
                    configs=configs,
                )
            )
        return form.make(results=tuple(results))

    def _describe(self, form: Codec, resource: Any, request: Any) -> tuple[Any, ...]:
        config = self._cluster.config
        name = resource.resource_name
        if resource.resource_type == _TOPIC:
            found = describe_topic(config, self._topic_overrides(name))
        elif resource.resource_type == _BROKER:
            if name:
                self._check_broker_id(name)
            found = describe_broker(config) if name else describe_all_brokers(config)
        else:
            raise ApiError(ErrorCode.invalid_request, MALFORMED)
        wanted = resource.configuration_keys
        documented = getattr(request, "include_documentation", False)
        return tuple(
            _entry(form, each, synonyms=request.include_synonyms, documented=documented)
            for each in found
            if not wanted or each.definition.name in wanted
        )

    def _topic_overrides(self, name: str) -> dict[str, str]:
        fault = topic_name_fault(name)
        if fault:
            raise ApiError(ErrorCode.invalid_topic_exception, fault)
        topic = self._cluster.logs.topics.get(name)
        if topic is None:
            raise ApiError(ErrorCode.unknown_topic_or_partition)
        return topic.config

    def _check_broker_id(self, name: str) -> None:
        own = self._cluster.config.node_id
        if not name.isdigit():
            raise ApiError(ErrorCode.invalid_request, f"Broker id must be an integer, but it is: {name}")
        if int(name) != own:
            raise ApiError(
                ErrorCode.invalid_request, f"Unexpected broker id, expected {own} or empty string, but received {name}"
            )

    # -- IncrementalAlterConfigs --------------------------------------------------------------------------------------

    async def incremental_alter_configs(self, request: Any, context: RequestContext) -> Any:
        """Answer IncrementalAlterConfigs: each resource on its own, all of its changes or none."""
        form = codec(context.api_key, context.api_version)
        results = []
        named = [(each.resource_type, each.resource_name) for each in request.resources]
        for resource in request.resources:
            code, message = ErrorCode.none, None
            try:
                if named.count((resource.resource_type, resource.resource_name)) > 1:
                    raise ApiError(ErrorCode.invalid_request, "Each resource must appear at most once.")
                self._alter(resource, request.validate_only)
            except ApiError as error:
                code, message = error.code, error.message
            results.append(
                form.make(
                    "AlterConfigsResourceResponse",
                    error_code=code,
                    error_message=message,
                    resource_type=resource.resource_type,
                    resource_name=resource.resource_name,
                )
            )
        return form.make(responses=tuple(results))

    def _alter(self, resource: Any, validate_only: bool) -> None:
        names = [each.name for each in resource.configs]
        twice = [name for name in names if names.count(name) > 1]
        if twice:
            raise ApiError(ErrorCode.invalid_request, "Error due to duplicate config keys")
        nulls = [each.name for each in resource.configs if each.value is None and each.config_operation != _DELETE]
        if nulls:
            raise ApiError(ErrorCode.invalid_request, f"Null value not supported for : {','.join(nulls)}")
        if resource.resource_type == _TOPIC:
            self._alter_topic(resource, validate_only)
        elif resource.resource_type == _BROKER:
            self._alter_broker(resource, validate_only)
        else:
            raise ApiError(ErrorCode.invalid_request, f"Unknown resource type {resource.resource_type}")

    def _alter_topic(self, resource: Any, validate_only: bool) -> None:
        name = resource.resource_name
        if not name:
            raise ApiError(ErrorCode.invalid_request, "Default topic resources are not allowed.")
        topic = self._cluster.logs.topics.get(name)
        if topic is None:
            raise ApiError(ErrorCode.unknown_topic_or_partition, f"The topic '{name}' does not exist.")
        before = topic.config
        config = self._cluster.config

        def inherited(key: str) -> str | None:
            return config.topic_values(key, {})[0].text

        after = _changed(resource.configs, before, definitions().topic, inherited)
        try:
            check_topic_configs(after)
            log_config = config.log_config(after)
        except SettingsError as error:
            raise ApiError(ErrorCode.invalid_config, str(error)) from None
        if not validate_only and after != before:
            try:
                self._cluster.logs.alter_config(name, after, log_config)
            except StorageError as error:
                raise ApiError(error.code, str(error)) from error

    def _alter_broker(self, resource: Any, validate_only: bool) -> None:
        name = resource.resource_name
        config = self._cluster.config
        known = definitions().broker
        if name and not name.isdigit():
            raise ApiError(ErrorCode.invalid_request, f"Node id must be an integer, but it is: {name}")
        if name and int(name) != config.node_id:
            raise ApiError(
                ErrorCode.invalid_request, f"Unexpected broker id, expected {config.node_id}, but received {name}"
            )
        for each in resource.configs:
            if each.name not in known:
                continue  # Kafka keeps settings of plug-ins it does not know itself
            update = known[each.name].update
            if update == "read-only":
                raise ApiError(ErrorCode.invalid_request, f"Cannot update these configs dynamically: [{each.name}]")
            if update == "per-broker" and not name:
                raise ApiError(
                    ErrorCode.invalid_request,
                    f"Cannot update these configs at default cluster level, broker id must be specified: [{each.name}]",
                )
        before = config.altered.get(name, {})

        def inherited(key: str) -> str | None:
            values = config.values(key)
            return values[0].text if values else None

        for each in resource.configs:
            verb = _VERBS.get(each.config_operation)
            if verb and (each.name not in known or known[each.name].type is not ConfigType.LIST):
                raise ApiError(
                    ErrorCode.invalid_config, f"Config value {verb} is not allowed for config key: {each.name}"
                )
        after = _changed(resource.configs, before, known, inherited)
        for key, text in after.items():
            try:
                if key in known:
                    known[key].parse(text)
            except SettingsError as error:
                raise ApiError(ErrorCode.invalid_request, str(error)) from None
        if not validate_only and after != before:
            self._cluster.alter_broker_config(name, after)


def _changed(
    changes: Any, before: Mapping[str, str], known: Mapping[str, Definition], inherited: Any
) -> dict[str, str]:
    """Return the settings after the changes, as Kafka makes them."""
    after = dict(before)
    for change in changes:
        name, operation, text = change.name, change.config_operation, change.value
        if operation == _SET:
            after[name] = text
        elif operation == _DELETE:
            after.pop(name, None)
        elif operation in (_APPEND, _SUBTRACT):
            definition = known.get(name)
            if definition is None or definition.type is not ConfigType.LIST:
                how = "APPEND to" if operation == _APPEND else "SUBTRACT from"
                raise ApiError(ErrorCode.invalid_config, f"Can't {how} key {name} because its type is not LIST.")
            have = _words(after.get(name, inherited(name)))
            given = _words(text)
            if operation == _APPEND:
                have += [word for word in given if word not in have]
            else:
                have = [word for word in have if word not in given]
            after[name] = ",".join(have)
        else:
            raise ApiError(ErrorCode.invalid_request, f"Unknown config operation {operation}.")
    return after


def _words(text: str | None) -> list[str]:
    return [word.strip() for word in (text or "").split(",") if word.strip()]


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
        documentation=config.definition.doc if documented else None,
    )
