"""Metrics that clients send of themselves (KIP-714): who is asked for which, and what came."""
