"""What the registry does: registers, looks up, compares, deletes, and keeps settings. Knows no HTTP and no Kafka."""
