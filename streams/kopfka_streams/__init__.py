"""SDK for applications: transactional loop, dead letters, event store, projections, saga.

Nothing lives here yet: the room is kept so that its place and its import rules are fixed.
"""
