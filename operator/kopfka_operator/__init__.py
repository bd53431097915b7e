"""The Kubernetes operator: observe, plan, act, report, one module per kind."""
