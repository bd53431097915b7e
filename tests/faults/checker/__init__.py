"""A checker of what clients were promised: workloads record a history under faults, and `anomalies` judges it."""
