"""Kafka protocol for both sides: codecs, framing, record batches. Knows no broker and no client."""
