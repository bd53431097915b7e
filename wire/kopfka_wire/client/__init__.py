"""Kafka's protocol from a client's side, on asyncio: connections, a cluster's metadata, writing, reading, groups.

Batches stay opaque bytes where their records are of no interest. Start with `settings.client_settings` and a
`cluster.Cluster`; producers, fetchers, admin calls and group members are made on that. Knows no component's business.
"""
