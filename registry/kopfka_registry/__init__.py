"""Schema registry with Confluent's REST interface, on a compacted topic in Confluent's record format."""
