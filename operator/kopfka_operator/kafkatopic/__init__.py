"""`KafkaTopic`: what it becomes in Kafka, and how that is brought about."""
