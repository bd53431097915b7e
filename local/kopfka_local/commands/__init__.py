"""`kopfka up`, `kopfka status` and `kopfka down`."""
