"""Comparing two schemas by the rules; what comes out are differences, in bounded time."""
