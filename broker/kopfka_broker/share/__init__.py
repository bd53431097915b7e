"""Share groups (KIP-932): records of ordinary topics delivered as a queue delivers, each to one consumer at a time.

Here are the share partitions, what is acquired of them and by whom, their state on disk, and the APIs that fetch and
acknowledge. Who is a member of a share group is the group coordinator's business (`kopfka_broker.groups.share`).
"""
