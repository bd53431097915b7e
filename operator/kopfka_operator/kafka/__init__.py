"""Kafka's admin protocol as the operator uses it."""
