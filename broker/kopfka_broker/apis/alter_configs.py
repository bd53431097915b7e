"""AlterConfigs and IncrementalAlterConfigs, for everything that has configs. Validation and answers are Kafka's.

Each resource of a request is altered on its own: all of its changes or none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from kio.schema.errors import ErrorCode

from kopfka_broker.apis.access import denied
from kopfka_broker.apis.configs import DENIED, ConfigResource, may_configure
from kopfka_broker.apis.errors import ApiError
from kopfka_broker.config import loggers
from kopfka_broker.config.confluent import REGISTRY_URL, check_validation
from kopfka_broker.config.definitions import ConfigType, definitions
from kopfka_broker.config.listener import listener_setting, setting_definition
from kopfka_broker.config.values import check_topic_configs
from kopfka_broker.security.authorizer import Operation
from kopfka_broker.storage import StorageError
from kopfka_broker.telemetry.configs import check_subscription
from kopfka_runtime.errors import SettingsError
from kopfka_wire.codec import codec

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from kopfka_broker.cluster import Cluster
    from kopfka_broker.config.definitions import Definition
    from kopfka_broker.context import RequestContext

_SET, _DELETE, _APPEND, _SUBTRACT = range(4)
_VERBS: Final = {_APPEND: "append", _SUBTRACT: "subtract"}
# the stores of TLS, which Kafka changes at run time for one listener at a time (SslConfigs.RECONFIGURABLE_CONFIGS)
_PER_LISTENER = frozenset(
    {
        "ssl.key.password",
        *(f"ssl.keystore.{part}" for part in ("type", "location", "password", "certificate.chain", "key")),
        *(f"ssl.truststore.{part}" for part in ("type", "location", "password", "certificates")),
    }
)
_DEFAULTS_REFUSED: Final = "Default {} resources are not allowed."


@dataclass(frozen=True, slots=True)
class _Changes:
    """What a request would make of the configs of one resource."""

    name: str
    kind: int
    configs: Sequence[Any]
    whole: bool
    """AlterConfigs: what is not named goes back to its default."""

    def after(
        self, before: Mapping[str, str], known: Mapping[str, Definition], inherited: Callable[[str], str | None]
    ) -> dict[str, str]:
        """Return the settings after the changes."""
        if self.whole:
            return {each.name: each.value for each in self.configs}
        return _changed(self.configs, before, known, inherited)


class AlterConfigApis:
    """Handlers over one broker."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def alter_configs(self, request: Any, context: RequestContext) -> Any:
        """Answer AlterConfigs: the configs of a resource are replaced as a whole."""
        return self._answer(request, context, whole=True)

    async def incremental_alter_configs(self, request: Any, context: RequestContext) -> Any:
        """Answer IncrementalAlterConfigs."""
        return self._answer(request, context, whole=False)

    def _answer(self, request: Any, context: RequestContext, *, whole: bool) -> Any:
        form = codec(context.api_key, context.api_version)
        results = []
        named = [(each.resource_type, each.resource_name) for each in request.resources]
        for resource in request.resources:
            code, message = ErrorCode.none, None
            try:
                if named.count((resource.resource_type, resource.resource_name)) > 1:
                    raise ApiError(ErrorCode.invalid_request, "Each resource must appear at most once.")
                changes = _Changes(resource.resource_name, resource.resource_type, resource.configs, whole)
                self._alter(changes, context, request.validate_only)
            except StorageError as error:
                code, message = error.code, str(error)
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

    def _alter(self, changes: _Changes, context: RequestContext, validate_only: bool) -> None:
        names = [each.name for each in changes.configs]
        if len(set(names)) < len(names):
            raise ApiError(ErrorCode.invalid_request, "Error due to duplicate config keys")
        nulls = [
            each.name for each in changes.configs
            if each.value is None and (changes.whole or each.config_operation != _DELETE)
        ]  # fmt: skip
        if nulls:
            raise ApiError(ErrorCode.invalid_request, f"Null value not supported for : {','.join(nulls)}")
        alter = {
            ConfigResource.TOPIC: self._alter_topic,
            ConfigResource.BROKER: self._alter_broker,
            ConfigResource.GROUP: self._alter_group,
            ConfigResource.CLIENT_METRICS: self._alter_client_metrics,
        }
        if not changes.whole:
            alter[ConfigResource.BROKER_LOGGER] = self._alter_loggers
        if changes.kind not in alter:
            raise ApiError(ErrorCode.invalid_request, f"Unknown resource type {changes.kind}")
        kind = ConfigResource(changes.kind)
        if kind is ConfigResource.BROKER:
            self._check_broker(changes)  # before the rights are looked at, as Kafka's broker does before its controller
        if not may_configure(self._cluster, context, Operation.ALTER_CONFIGS, kind, changes.name):
            if kind is ConfigResource.BROKER_LOGGER:
                raise ApiError(ErrorCode.cluster_authorization_failed)
            raise denied(DENIED.get(kind, ErrorCode.cluster_authorization_failed))
        alter[kind](changes, validate_only)

    # -- topics -------------------------------------------------------------------------------------------------------

    def _alter_topic(self, changes: _Changes, validate_only: bool) -> None:
        name = changes.name
        if not name:
            raise ApiError(ErrorCode.invalid_request, _DEFAULTS_REFUSED.format("topic"))
        topic = self._cluster.logs.topics.get(name)
        if topic is None:
            raise ApiError(ErrorCode.unknown_topic_or_partition, f"The topic '{name}' does not exist.")
        config = self._cluster.config

        def inherited(key: str) -> str | None:
            return config.topic_values(key, {})[0].text

        after = changes.after(topic.config, definitions().topic, inherited)
        try:
            check_topic_configs(after)
            check_validation(after, topic.config, config.get(REGISTRY_URL))
            log_config = config.log_config(after)
        except SettingsError as error:
            raise ApiError(ErrorCode.invalid_config, str(error)) from None
        if not validate_only and after != topic.config:
            self._cluster.alter_topic_config(topic, after, log_config)

    # -- brokers ------------------------------------------------------------------------------------------------------

    def _check_broker(self, changes: _Changes) -> None:
        name, known = changes.name, definitions().broker
        if name:
            self._check_node(name, "Unexpected broker id, expected {}, but received {}")
        for each in changes.configs:
            if each.name in _PER_LISTENER:
                raise ApiError(
                    ErrorCode.invalid_request,
                    "These security configs can be dynamically updated only per-listener using the listener prefix: "
                    f"[{each.name}]",
                )
            if listener_setting(each.name) and not name:
                raise ApiError(
                    ErrorCode.invalid_request,
                    f"Cannot update these configs at default cluster level, broker id must be specified: [{each.name}]",
                )
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

    def _check_node(self, name: str, why: str) -> None:
        own = self._cluster.config.node_id
        if not name.isdigit():
            raise ApiError(ErrorCode.invalid_request, f"Node id must be an integer, but it is: {name}")
        if int(name) != own:
            raise ApiError(ErrorCode.invalid_request, why.format(own, name))

    def _alter_broker(self, changes: _Changes, validate_only: bool) -> None:
        config, known = self._cluster.config, definitions().broker
        before = config.altered.get(changes.name, {})

        def inherited(key: str) -> str | None:
            values = config.values(key)
            return values[0].text if values else None

        for each in () if changes.whole else changes.configs:
            verb = _VERBS.get(each.config_operation)
            if verb and (each.name not in known or known[each.name].type is not ConfigType.LIST):
                raise ApiError(
                    ErrorCode.invalid_config, f"Config value {verb} is not allowed for config key: {each.name}"
                )
        after = changes.after(before, known, inherited)
        try:
            for key, text in after.items():
                definition = setting_definition(key)
                if definition is not None:
                    definition.parse(text)
            if after != before:
                config.check(changes.name, after)
        except SettingsError as error:
            raise ApiError(ErrorCode.invalid_request, str(error)) from None
        if not validate_only and after != before:
            self._cluster.alter_broker_config(changes.name, after)

    def _alter_loggers(self, changes: _Changes, validate_only: bool) -> None:
        self._check_node(changes.name, "Unexpected node id. Expected {}, but received {}")
        known = loggers.loggers()
        for each in changes.configs:
            _check_level(each, known)
        if not validate_only:
            for each in changes.configs:
                loggers.set_level(each.name, each.value if each.config_operation == _SET else None)
            self._cluster.request_log.refresh()

    # -- groups and client metrics ------------------------------------------------------------------------------------

    def _alter_group(self, changes: _Changes, validate_only: bool) -> None:
        configs = self._cluster.group_configs
        if not changes.name:
            raise ApiError(ErrorCode.invalid_request, _DEFAULTS_REFUSED.format("group"))
        before = configs.of(changes.name)
        after = changes.after(before, definitions().group, lambda _: None)
        try:
            configs.check(after)
        except SettingsError as error:
            raise ApiError(ErrorCode.invalid_config, str(error)) from None
        if not validate_only and after != before:
            configs.alter(changes.name, after)

    def _alter_client_metrics(self, changes: _Changes, validate_only: bool) -> None:
        configs = self._cluster.client_metrics
        before = configs.of(changes.name)
        # none of them is a list to Kafka's controller, so there is nothing to append to
        after = changes.after(before, {}, lambda _: None)
        check_subscription(changes.name, after)
        if not validate_only and after != before:
            configs.alter(changes.name, after)


def _check_level(change: Any, known: Mapping[str, str]) -> None:
    name, operation = change.name, change.config_operation
    if operation in _VERBS:
        raise ApiError(
            ErrorCode.invalid_request,
            f"{_VERBS[operation].upper()} operation is not allowed for the BROKER_LOGGER resource",
        )
    if operation not in (_SET, _DELETE):
        raise ApiError(
            ErrorCode.invalid_request,
            f"Unknown operation type {operation} is not allowed for the BROKER_LOGGER resource",
        )
    if name not in known:
        raise ApiError(ErrorCode.invalid_config, f"Logger {name} does not exist!")
    if operation == _DELETE and name == loggers.ROOT:
        raise ApiError(ErrorCode.invalid_request, "Removing the log level of the root logger is not allowed")
    if operation == _SET and change.value not in loggers.LEVELS:
        raise ApiError(
            ErrorCode.invalid_config,
            f"Cannot set the log level of {name} to {change.value} as it is not a supported log level. "
            f"Valid log levels are {', '.join(loggers.LEVELS)}",
        )


def _changed(
    changes: Sequence[Any],
    before: Mapping[str, str],
    known: Mapping[str, Definition],
    inherited: Callable[[str], str | None],
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
                raise ApiError(
                    ErrorCode.invalid_config,
                    f"Can't {_VERBS[operation].upper()} to key {name} because its type is not LIST.",
                )
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
