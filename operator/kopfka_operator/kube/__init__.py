"""The Kubernetes API as the operator uses it: where it is, and the few requests that are made beside kopf's watches."""
