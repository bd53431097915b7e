"""API models: the one source of Kopfka's custom resources, their CRDs and their reference pages.

Nothing here talks to Kubernetes or Kafka. `python -m kopfka_operator.api.generate` writes `crds/` and
`docs/reference/`.
"""
