"""What groups have in common whose members the coordinator itself assigns for: KIP-848, KIP-932, KIP-1071.

A request about such a group is worked on in two steps. First a pure part reads the group and says what changes, as a
list of `Change`s; nothing is altered yet. Then `ModernGroups.write` appends the record of each change to
`__consumer_offsets` in one batch, and only if that worked applies the changes to the group in memory. A restart
applies the same changes, read back from the log. So memory is never ahead of the log, and the rules of a kind of
group are written once.
"""

from kopfka_broker.groups.modern.groups import Change, Kind, ModernGroup, ModernGroups, Work
from kopfka_broker.groups.modern.keys import decode_key, encode_key

__all__ = ["Change", "Kind", "ModernGroup", "ModernGroups", "Work", "decode_key", "encode_key"]
