"""Kafka's `ssl.*` settings for whoever listens or connects: key stores, cipher suites, what both sides' contexts share.

Knows neither side: who needs a certificate, and of whom, is decided elsewhere.
"""
