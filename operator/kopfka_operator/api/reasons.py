"""Types of conditions, and the one declared list of reasons. Needs no pydantic."""

from __future__ import annotations

from enum import StrEnum


class ConditionType(StrEnum):
    """What a condition is about. Argo CD and Flux read `Ready` (kstatus)."""

    READY = "Ready"
    PROGRESSING = "Progressing"
    DEGRADED = "Degraded"


class Reason(StrEnum):
    """Why a condition is what it is. No other reasons are written."""

    # all is well
    READY = "Ready"
    RECONCILED = "Reconciled"
    AS_EXPECTED = "AsExpected"
    # on the way
    RECONCILING = "Reconciling"
    STARTING = "Starting"
    ROLLING_OUT = "RollingOut"
    RESIZING = "Resizing"
    DELETING = "Deleting"
    ADDRESS_PENDING = "AddressPending"
    # waiting for something else
    CLUSTER_NOT_FOUND = "ClusterNotFound"
    CLUSTER_NOT_READY = "ClusterNotReady"
    BROKER_UNREACHABLE = "BrokerUnreachable"
    REGISTRY_NOT_FOUND = "RegistryNotFound"
    REGISTRY_NOT_READY = "RegistryNotReady"
    REGISTRY_UNREACHABLE = "RegistryUnreachable"
    REFERENCE_NOT_FOUND = "ReferenceNotFound"
    CONFIG_MAP_NOT_FOUND = "ConfigMapNotFound"
    SECRET_NOT_FOUND = "SecretNotFound"
    PAUSED = "Paused"
    # somebody has to act
    INVALID_SPEC = "InvalidSpec"
    NOT_SUPPORTED = "NotSupported"
    CONFLICT = "Conflict"
    NAME_TAKEN = "NameTaken"
    STORAGE_CANNOT_SHRINK = "StorageCannotShrink"
    STORAGE_CANNOT_GROW = "StorageCannotGrow"
    STORAGE_CLASS_IMMUTABLE = "StorageClassImmutable"
    POD_FAILING = "PodFailing"
    PARTITIONS_CANNOT_SHRINK = "PartitionsCannotShrink"
    REPLICAS_CANNOT_CHANGE = "ReplicasCannotChange"
    INCOMPATIBLE_SCHEMA = "IncompatibleSchema"
    INVALID_SCHEMA = "InvalidSchema"
    NEWER_VERSION = "NewerVersion"
    REFUSED_BY_BROKER = "RefusedByBroker"
    NO_LEADER = "NoLeader"
    LOGIN_FAILED = "LoginFailed"
    REFUSED_BY_REGISTRY = "RefusedByRegistry"
    REFUSED_BY_API_SERVER = "RefusedByApiServer"
    CHANGED_BY_OTHERS = "ChangedByOthers"
    # reported in events
    DRIFT_CORRECTED = "DriftCorrected"
