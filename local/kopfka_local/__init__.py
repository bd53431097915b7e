"""A bare machine as a cluster: a Kubernetes-compatible API server and a node that runs pods as processes."""
