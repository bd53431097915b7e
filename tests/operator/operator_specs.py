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

levels = st.sampled_from(
    ["NONE", "BACKWARD", "BACKWARD_TRANSITIVE", "FORWARD", "FORWARD_TRANSITIVE", "FULL", "FULL_TRANSITIVE"]
)
modes = st.sampled_from(["READWRITE", "READONLY", "READONLY_OVERRIDE", "IMPORT"])
urls = st.sampled_from(["http://registry:8081", "https://schemas.example.com/api"])

valid_external_access = st.one_of(
    st.fixed_dictionaries(
        {"type": st.just("NodePort"), "advertisedHost": st.sampled_from(["127.0.0.1", "node.example", "::1"])},
        optional={"nodePort": st.integers(30000, 32767), "advertisedUrl": urls},
    ),
    st.fixed_dictionaries(
        {"type": st.just("LoadBalancer")}, optional={"port": st.integers(1, 65535), "advertisedUrl": urls}
    ),
)

valid_kafka_logins = st.one_of(
    st.fixed_dictionaries({"securityProtocol": st.sampled_from(["PLAINTEXT", "SSL"])}, optional={"secretName": names}),
    st.fixed_dictionaries(
        {
            "securityProtocol": st.sampled_from(["SASL_PLAINTEXT", "SASL_SSL"]),
            "saslMechanism": st.sampled_from(["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]),
            "secretName": names,
        }
    ),
)

valid_authentications = st.one_of(
    st.fixed_dictionaries(
        {"basic": st.fixed_dictionaries({"secretName": names})},
        optional={"roles": st.lists(names, min_size=1, max_size=2)},
    ),
    st.fixed_dictionaries(
        {
            "jwt": st.fixed_dictionaries(
                {"jwksUrl": urls, "issuer": st.just("https://id.example")}, optional={"audience": names}
            )
        }
    ),
)

_any_registry: dict[str, st.SearchStrategy[Any]] = {
    "credentials": st.fixed_dictionaries({"secretName": names}),
    "replicas": st.integers(1, 5),
    "compatibility": levels,
    "mode": modes,
}

bundled_registries = st.tuples(
    st.one_of(
        st.fixed_dictionaries({"cluster": names}),
        st.fixed_dictionaries({"bootstrapServers": st.sampled_from(["kafka:9092", "a.b:1, c:2", "[::1]:9092"])}),
    ),
    st.fixed_dictionaries(
        {},
        optional={
            **_any_registry,
            "engine": st.just("bundled"),
            "kafka": valid_kafka_logins,
            "config": st.dictionaries(
                st.sampled_from(["kafkastore.topic", "schema.compatibility.level", "leader.eligibility"]),
                st.one_of(st.sampled_from(["_schemas", "full"]), st.booleans(), st.integers(0, 9)),
                max_size=2,
            ),
            "authentication": valid_authentications,
            "tls": st.fixed_dictionaries(
                {"secretName": names},
                optional={"clientAuthentication": st.sampled_from(["NONE", "REQUESTED", "REQUIRED"])},
            ),
            "external": valid_external_access,
            "resources": _some(limits=_some(memory=sizes)),
            "image": st.just("example/kopfka:1"),
            "template": _some(pod=_some(labels=labels)),
        },
    ),
).map(lambda parts: {**parts[0], **parts[1]})

external_registries = st.fixed_dictionaries({"engine": st.just("external"), "url": urls}, optional=_any_registry)

valid_registries = st.one_of(bundled_registries, external_registries)

edge_registries = _some(
    engine=st.sampled_from(["bundled", "external", "karapace"]),
    url=st.sampled_from(["http://r", "r:8081", "ftp://r", "https://r/?x"]),
    cluster=st.sampled_from(["", "c"]),
    bootstrapServers=st.sampled_from(["k:9092", "k", "k:9092,", "k:1,l:2"]),
    replicas=st.sampled_from([0, 1, 101]),
    compatibility=st.sampled_from(["FULL", "full"]),
    mode=st.sampled_from(["READONLY", "OFF"]),
    kafka=_some(
        securityProtocol=st.sampled_from(["SSL", "SASL_SSL", "TLS"]),
        saslMechanism=st.sampled_from(["PLAIN", "GSSAPI"]),
        secretName=st.sampled_from(["", "s"]),
    ),
    authentication=_some(
        basic=_some(secretName=st.just("s")),
        jwt=_some(jwksUrl=st.just("https://k"), issuer=st.just("i")),
        roles=st.sampled_from([["a"], ["a,b"], [""]]),
    ),
    tls=_some(secretName=st.just("s"), clientAuthentication=st.sampled_from(["NONE", "MAYBE"])),
    external=_some(
        type=st.sampled_from(["NodePort", "LoadBalancer", "ClusterIP"]),
        nodePort=st.sampled_from([0, 30000]),
        port=st.sampled_from([8081]),
        advertisedHost=st.sampled_from(["", "host"]),
        advertisedUrl=st.sampled_from(["http://h", "h"]),
    ),
)

valid_subjects = st.tuples(
    st.one_of(
        st.fixed_dictionaries({"schema": st.sampled_from(['"string"', '{"type": "int"}'])}),
        st.fixed_dictionaries(
            {
                "schemaFrom": st.fixed_dictionaries(
                    {"configMapKeyRef": st.fixed_dictionaries({"name": names, "key": names})}
                )
            }
        ),
    ),
    st.fixed_dictionaries(
        {"registry": names},
        optional={
            "subject": st.sampled_from(["orders-value", ":.staging:orders", "a/b c"]),
            "type": st.sampled_from(["AVRO", "PROTOBUF", "JSON"]),
            "references": st.lists(
                st.fixed_dictionaries({"name": names, "subject": names}, optional={"version": st.integers(1, 9)}),
                max_size=2,
            ),
            "compatibility": levels,
            "mode": modes,
            "normalize": st.booleans(),
            "metadata": _some(
                tags=st.dictionaries(names, st.lists(names, max_size=2), max_size=2),
                properties=labels,
                sensitive=st.lists(names, max_size=2),
            ),
            "ruleSet": st.just({"domainRules": [{"name": "r", "kind": "CONDITION", "type": "CEL", "expr": "1 == 1"}]}),
            "reclaimPolicy": st.sampled_from(["Retain", "Delete"]),
        },
    ),
).map(lambda parts: {**parts[0], **parts[1]})

edge_subjects = _some(
    registry=st.sampled_from(["", "r", "x" * 254]),
    subject=st.sampled_from(["", "s", "x" * 1025]),
    type=st.sampled_from(["AVRO", "THRIFT"]),
    schema=st.sampled_from(["", '"string"']),
    schemaFrom=_some(configMapKeyRef=_some(name=st.just("c"), key=st.sampled_from(["", "k"]))),
    references=st.lists(_some(name=st.just("n"), subject=st.just("s"), version=st.sampled_from([0, 1])), max_size=2),
    compatibility=st.sampled_from(["FULL", "SOME"]),
    reclaimPolicy=st.sampled_from(["Retain", "Nothing"]),
)
