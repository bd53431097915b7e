"""What tests of several components share: prerequisites, waiting on conditions, ports, child processes."""
