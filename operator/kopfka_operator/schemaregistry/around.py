"""What a registry's pods need that others make, from what is there of it: the Kafka cluster and the Secrets. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kopfka_operator.api.reasons import ConditionType, Reason
from kopfka_operator.errors import ApiError
from kopfka_operator.registry.login import USERS, secret_data
from kopfka_operator.schemaregistry.plan import Surroundings
from kopfka_operator.status import Problem, is_true

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kopfka_operator.api.schemaregistry import SchemaRegistrySpec
    from kopfka_operator.kube.resources import Manifest
    from kopfka_operator.schemaregistry.render import Registry


def surroundings(
    registry: Registry, cluster: Manifest | None, secrets: Mapping[str, Manifest | ApiError | None]
) -> Surroundings:
    """Return what is there; `cluster` is the KafkaCluster that the spec names, if there is one.

    Of `secrets`, None are those that are not there, and an error is why one cannot be read.
    """
    data = {name: secret_data(secret) for name, secret in secrets.items() if isinstance(secret, dict)}
    unread = [
        Problem(Reason.REFUSED_BY_API_SERVER, f"Secret {registry.namespace}/{name} cannot be read: {error}")
        for name, error in secrets.items()
        if isinstance(error, ApiError)
    ]
    missing = (*unread, *([] if unread else _missing(registry, data)))
    bootstrap, waits = _kafka(registry, cluster)
    return Surroundings(bootstrap, waits, data, missing)


def _kafka(registry: Registry, cluster: Manifest | None) -> tuple[str | None, Problem | None]:
    name, namespace = registry.spec.cluster, registry.namespace
    if name is None:
        return registry.spec.bootstrap_servers, None
    if cluster is None or cluster["metadata"].get("deletionTimestamp"):
        gone = f"there is no KafkaCluster {name} in namespace {namespace}: create it, or correct spec.cluster"
        return None, Problem(Reason.CLUSTER_NOT_FOUND, gone)
    listeners = (cluster.get("status") or {}).get("listeners") or []
    # the one that clients inside Kubernetes use comes first
    bootstrap = next((str(each["bootstrapServers"]) for each in listeners), None)
    if bootstrap is None or not is_true(cluster, ConditionType.READY):
        return bootstrap, Problem(Reason.CLUSTER_NOT_READY, f"waiting for KafkaCluster {name} to be Ready")
    return bootstrap, None


def _missing(registry: Registry, data: Mapping[str, Mapping[str, bytes]]) -> list[Problem]:
    found = []
    for name, keys in _needed(registry.spec):
        if name not in data:
            remedy = f"create it, with {_listed(keys)}"
            found.append(
                Problem(
                    Reason.SECRET_NOT_FOUND, f"there is no Secret {name} in namespace {registry.namespace}: {remedy}"
                )
            )
            continue
        lacks = [key for key in keys if key not in data[name]]
        if lacks and not (keys == _SASL and "sasl.jaas.config" in data[name]):
            found.append(Problem(Reason.SECRET_NOT_FOUND, f"Secret {name} has no {_listed(lacks)}: write it"))
    return found


_SASL = ("username", "password")


def _needed(spec: SchemaRegistrySpec) -> list[tuple[str, Sequence[str]]]:
    needed: list[tuple[str, Sequence[str]]] = []
    if spec.kafka is not None and spec.kafka.secret_name is not None:
        needed.append((spec.kafka.secret_name, _SASL if spec.kafka.sasl_mechanism is not None else ()))
    if spec.tls is not None:
        needed.append((spec.tls.secret_name, ("tls.crt", "tls.key")))
    if spec.authentication is not None and spec.authentication.basic is not None:
        needed.append((spec.authentication.basic.secret_name, (USERS,)))
    return needed


def _listed(keys: Sequence[str]) -> str:
    return " and ".join(keys) or "what kafka.secretName is described to hold"
