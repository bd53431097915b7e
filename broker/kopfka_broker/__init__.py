"""The bundled broker: one process holds one cluster, durable, single-node, on Kafka's own files."""
