"""The broker's configuration, by Kafka's own names: definitions, values and where they come from, validation."""
