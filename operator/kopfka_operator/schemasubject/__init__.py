"""`SchemaSubject`: what it becomes in a registry, and how that is brought about."""
