"""The `kopfka` command."""
