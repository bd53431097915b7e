"""Schema registry with Confluent's REST interface.

Nothing lives here yet: the room is kept so that its place and its import rules are fixed.
"""
