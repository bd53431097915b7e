"""What loads a broker: clients of all kinds, each in a process of its own, with its processor time."""
