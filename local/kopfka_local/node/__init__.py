"""The node `kopfka up` runs: pods as child processes, volumes as folders, services as loopback addresses."""
