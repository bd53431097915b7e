"""What kinds that run pods have in common: owned objects, pods, external access, and how they are brought about.

A kind's own rooms say what is made; nothing here knows which kinds there are.
"""
