"""`SchemaRegistry`: what it becomes in Kubernetes, and how that is brought about."""
