"""Specs for property tests: valid ones, and ones near the edge of validity."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

names = st.from_regex(r"[a-z]([-a-z0-9]{0,20}[a-z0-9])?", fullmatch=True)
sizes = st.builds(lambda number, unit: f"{number}{unit}", st.integers(1, 999), st.sampled_from(["Mi", "Gi", "Ti", "G"]))
cpus = st.one_of(st.integers(1, 8), st.integers(1, 8000).map(lambda number: f"{number}m"))
settings = st.dictionaries(
    st.sampled_from(["num.partitions", "log.retention.hours", "auto.create.topics.enable", "kopfka.some"]),
    st.one_of(
        st.integers(0, 10**6), st.booleans(), st.text(max_size=20), st.floats(0, 1, allow_nan=False).map(lambda x: x)
    ),
    max_size=4,
)
labels = st.dictionaries(names, names, max_size=2)

valid_listeners = st.one_of(
    st.just({}),
    st.fixed_dictionaries(
        {"type": st.just("NodePort"), "advertisedHost": st.sampled_from(["127.0.0.1", "node.example", "::1"])},
        optional={"nodePort": st.integers(30000, 32767)},
    ).map(lambda external: {"external": external}),
    st.fixed_dictionaries(
        {"type": st.just("LoadBalancer")},
        optional={"port": st.integers(1, 65535), "advertisedHost": st.just("lb.example")},
    ).map(lambda external: {"external": external}),
)


def _some(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=fields)


valid_clusters = _some(
    engine=st.just("bundled"),
    replicas=st.just(1),
    storage=_some(size=sizes, storageClassName=st.sampled_from(["fast", "standard"])),
    reclaimPolicy=st.sampled_from(["Retain", "Delete"]),
    listeners=valid_listeners,
    config=settings,
    resources=_some(
        requests=_some(cpu=cpus, memory=sizes),
        limits=_some(cpu=cpus, memory=sizes),
    ),
    image=st.just("example/kopfka:1"),
    imagePullPolicy=st.sampled_from(["Always", "IfNotPresent", "Never"]),
    template=_some(
        pod=_some(
            labels=labels,
            annotations=labels,
            nodeSelector=labels,
            tolerations=st.lists(_some(key=names, operator=st.just("Exists")), max_size=2),
        )
    ),
)

edge_clusters = _some(
    engine=st.sampled_from(["bundled", "apache-kafka", "external", "kraft"]),
    replicas=st.integers(-1, 4),
    storage=_some(size=st.sampled_from(["0", "1Gi", "10", "-1Gi", "1.5Ti", "many", "0.0Gi", "5m"])),
    reclaimPolicy=st.sampled_from(["Retain", "Delete", "Recycle"]),
    listeners=_some(
        external=_some(
            type=st.sampled_from(["NodePort", "LoadBalancer", "ClusterIP"]),
            nodePort=st.sampled_from([0, 30000, 70000]),
            port=st.sampled_from([0, 9094]),
            advertisedHost=st.sampled_from(["", "host", "a b", "::1"]),
        )
    ),
    resources=_some(limits=_some(cpu=st.sampled_from([1, "1", "500m", "half", "-1"]))),
    imagePullPolicy=st.sampled_from(["Always", "Sometimes"]),
)

topic_settings = st.dictionaries(
    st.sampled_from(["retention.ms", "cleanup.policy", "min.cleanable.dirty.ratio", "preallocate"]),
    st.one_of(st.integers(-1, 10**9), st.sampled_from(["delete", "compact, delete", "0.50"]), st.booleans()),
    max_size=4,
)

valid_topics = st.fixed_dictionaries(
    {"cluster": names},
    optional={
        "topicName": st.from_regex(r"[a-zA-Z0-9_-][a-zA-Z0-9._-]{0,30}", fullmatch=True),
        "partitions": st.integers(1, 50),
        "replicas": st.integers(1, 3),
        "config": topic_settings,
        "reclaimPolicy": st.sampled_from(["Retain", "Delete"]),
    },
)

edge_topics = st.fixed_dictionaries(
    {},
    optional={
        "cluster": st.sampled_from(["", "c", "x" * 254]),
        "topicName": st.sampled_from([".", "..", "...", "a b", "", "ok", "x" * 249, "x" * 250, "ä"]),
        "partitions": st.sampled_from([0, 1, 200_000, 200_001]),
        "replicas": st.sampled_from([0, 1, 1001]),
        "reclaimPolicy": st.sampled_from(["Retain", "Nothing"]),
    },
)
