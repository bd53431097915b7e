"""A small Kubernetes-compatible API server: the one truth of local mode, for kubectl, helm, kopf and the node beside
it.

It stores and serves resources as Kubernetes 1.34 does, to a client that knows no difference. It runs nothing:
controllers and the node (`kopfka_local`'s other rooms) act on what is stored here, through `cluster.Cluster`, as any
client would.

What it does not do: authorization (there is one user, who holds the one token; roles and bindings are stored, never
enforced), admission webhooks, API aggregation, conversion webhooks, more than one replica.
"""
