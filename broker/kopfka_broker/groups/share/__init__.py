"""Share groups (KIP-932) as the group coordinator sees them: members, assignments, and which partitions have a state.

What is delivered to whom is not its business: that is `kopfka_broker.share`.
"""
