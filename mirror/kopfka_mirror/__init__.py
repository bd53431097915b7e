"""MirrorMaker-2-compatible replicator: whole record batches from cluster to cluster, offsets translated exactly."""
