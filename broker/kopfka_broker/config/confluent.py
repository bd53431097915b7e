"""Configs of Confluent Server that this broker has too: its check of records against a schema registry.

They stand apart from `kafka.json`, which holds what Apache Kafka defines and nothing else. All of them are internal in
the sense of `Definition`: who does not use them does not see them, and DescribeConfigs answers as Apache Kafka's. What
they mean is the business of `kopfka_broker.schemas`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from kopfka_runtime.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

REGISTRY_URL: Final = "confluent.schema.registry.url"
VALIDATION: Final = {part: f"confluent.{part}.schema.validation" for part in ("key", "value")}
"""Topic configs that switch the check on, by what of a record they are about."""
STRATEGY: Final = {part: f"confluent.{part}.subject.name.strategy" for part in ("key", "value")}
"""Topic configs that say under which subject an id has to stand."""

_STRATEGY_CLASSES: Final = tuple(
    f"io.confluent.kafka.serializers.subject.{name}"
    for name in ("TopicNameStrategy", "RecordNameStrategy", "TopicRecordNameStrategy")
)
TOPIC_NAME, RECORD_NAME, TOPIC_RECORD_NAME = _STRATEGY_CLASSES
"""The strategies there are."""

SSL_PREFIXES: Final = ("confluent.schema.registry.ssl.", "confluent.ssl.")
"""Both are settings of the registry's client: the one in the words of serialisers, the other in those of Confluent's
Ansible playbooks. The first wins."""
_SSL: Final = {
    **{
        f"{store}.{name}": kind
        for store in ("truststore", "keystore")
        for name, kind in (("location", "STRING"), ("password", "PASSWORD"), ("type", "STRING"))
    },
    "truststore.certificates": "PASSWORD",
    "keystore.certificate.chain": "PASSWORD",
    "keystore.key": "PASSWORD",
    "key.password": "PASSWORD",
    "enabled.protocols": "LIST",
    "cipher.suites": "LIST",
    "endpoint.identification.algorithm": "STRING",
}
_SSL_DEFAULTS: Final = {
    "truststore.type": "JKS",
    "keystore.type": "JKS",
    "enabled.protocols": "TLSv1.2,TLSv1.3",
    "endpoint.identification.algorithm": "https",
}


def _entry(kind: str, doc: str, default: str | None = None, valid: str = "") -> dict[str, Any]:
    return {"type": kind, "doc": doc, "default": default, "valid": valid, "internal": True}


TOPIC: Final[Mapping[str, dict[str, Any]]] = {
    **{
        name: _entry(
            "BOOLEAN",
            f"Whether records are refused whose {part} does not carry the id of a schema that is registered under the "
            f"subject that {STRATEGY[part]} asks for. A record without a {part} passes.",
            "false",
        )
        for part, name in VALIDATION.items()
    },
    **{
        name: _entry(
            "STRING",
            f"Under which subject the schema of a {part} has to be registered: TOPIC-{part} (TopicNameStrategy), the "
            "name of the record in the schema (RecordNameStrategy), or TOPIC-NAME of both (TopicRecordNameStrategy).",
            TOPIC_NAME,
            f"[{', '.join(_STRATEGY_CLASSES)}]",
        )
        for part, name in STRATEGY.items()
    },
}
"""Topic configs, as `kafka.json` writes them down."""

BROKER: Final[Mapping[str, dict[str, Any]]] = {
    REGISTRY_URL: _entry("LIST", "Addresses of the schema registry that records are checked against."),
    "confluent.basic.auth.credentials.source": _entry(
        "STRING",
        "Where user and password for the schema registry are: in its address, or in confluent.basic.auth.user.info.",
        "URL",
        "[URL, USER_INFO]",
    ),
    "confluent.basic.auth.user.info": _entry("PASSWORD", "USER:PASSWORD for the schema registry."),
    "confluent.bearer.auth.credentials.source": _entry(
        "STRING", "STATIC_TOKEN where confluent.bearer.auth.token is to be sent.", None, "[STATIC_TOKEN]"
    ),
    "confluent.bearer.auth.token": _entry("PASSWORD", "A token for the schema registry."),
    **{
        prefix + name: _entry(
            kind, f"ssl.{name} of connections to the schema registry.", _SSL_DEFAULTS.get(name)
        )
        for prefix in SSL_PREFIXES
        for name, kind in _SSL.items()
    },
}  # fmt: skip
"""Broker configs, as `kafka.json` writes them down; none changes while the broker runs."""


def check_validation(
    overrides: Mapping[str, str | None], before: Mapping[str, str], registries: list[str] | None
) -> None:
    """Check that nothing switches the check on where there is no registry to ask.

    What is on already stays: nobody has to switch it off to change something else.

    Args:
        overrides: the topic's own settings as they are to be, well formed.
        before: those it has.
        registries: the value of `confluent.schema.registry.url`.

    Raises:
        SettingsError: it says what to set.
    """
    if registries:
        return
    for name in VALIDATION.values():
        if is_on(overrides, name) and not is_on(before, name):
            raise SettingsError(
                f"{name}=true needs a schema registry to ask: set {REGISTRY_URL} in the configuration of the broker"
            )


def is_on(overrides: Mapping[str, Any], name: str) -> bool:
    """Tell whether a topic's own settings switch something on."""
    return str(overrides.get(name)).strip().lower() == "true"
