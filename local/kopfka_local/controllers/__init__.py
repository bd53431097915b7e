"""What a cluster's controller manager does, for the kinds Kopfka uses: workloads, endpoints, claims, garbage."""
