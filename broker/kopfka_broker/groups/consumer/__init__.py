"""Consumer groups of KIP-848: members send heartbeats, the coordinator assigns and reconciles.

Members of the classic protocol may be in such a group too (`classic`), and groups change from one kind to the other
with their members (`migration`).
"""
