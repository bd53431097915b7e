"""Clocks that only tests move."""

from __future__ import annotations


class Clock:
    """A function that tells the time: `now`, in whatever unit its reader takes."""

    def __init__(self, now: float = 0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now
