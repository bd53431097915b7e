"""Connect worker: REST, runtime, converters, transforms, connectors.

Nothing lives here yet: the room is kept so that its place and its import rules are fixed.
"""
