"""What is measured: a module each, found by its name in `catalog`."""
