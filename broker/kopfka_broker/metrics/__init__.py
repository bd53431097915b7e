"""What the broker counts, and what `/metrics` shows of it. Metrics of one room alone are made in that room."""
