"""Names of the API that need no model, so that they can be had without importing pydantic."""

GROUP = "kopfka.io"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
CATEGORY = "kopfka"

PAUSED = f"{GROUP}/paused"
"""The annotation that, set to "true", makes the operator leave a resource and its children alone."""

FINALIZER = f"{GROUP}/cleanup"
"""The one finalizer: present only on resources whose deletion has something to clean up."""

CLUSTER_LABEL = f"{GROUP}/cluster"
"""The label that says to which KafkaCluster an object belongs."""

REGISTRY_LABEL = f"{GROUP}/registry"
"""The label that says to which SchemaRegistry an object belongs."""

FIELD_MANAGER = "kopfka-operator"
"""The one field manager of server-side apply; also the value of `app.kubernetes.io/managed-by`."""
