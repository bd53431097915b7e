"""Levels of this process's loggers as configs of the broker (KIP-412), under Kafka's names for levels.

Kafka's own loggers that stand for something here are there by their names; the others are this broker's modules. As in
Kafka, what is altered holds until the broker stops.
"""

from __future__ import annotations

import logging
from typing import Final

ROOT: Final = "root"
REQUESTS: Final = "kafka.request.logger"
"""Logs every request at DEBUG."""
_OURS = ("kopfka_", "kafka.")
TRACE: Final = 5
LEVELS: Final = {
    "DEBUG": logging.DEBUG,
    "ERROR": logging.ERROR,
    "FATAL": logging.CRITICAL,
    "INFO": logging.INFO,
    "TRACE": TRACE,
    "WARN": logging.WARNING,
}
"""By Kafka's names, in the order it lists them."""


def install() -> None:
    """Give levels their names in the log, and Kafka's loggers their levels where nobody has."""
    logging.addLevelName(TRACE, "TRACE")
    logger = logging.getLogger(REQUESTS)
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.WARNING)  # as in the log4j2.yaml that comes with Kafka


def loggers() -> dict[str, str]:
    """Return the level in force of each logger, by name."""
    names = [name for name in logging.root.manager.loggerDict if name.startswith(_OURS)]
    found = {name: _name(logging.getLogger(name).getEffectiveLevel()) for name in names}
    return {ROOT: _name(logging.root.level)} | dict(sorted(found.items()))


def set_level(name: str, level: str | None) -> None:
    """Give a logger another level, by Kafka's name; None: that of what is above it."""
    number = logging.NOTSET if level is None else LEVELS[level]
    (logging.root if name == ROOT else logging.getLogger(name)).setLevel(number)


def _name(level: int) -> str:
    # what lies between two of them counts as the more talkative one
    below = [(number, name) for name, number in LEVELS.items() if number <= max(level, TRACE)]
    return max(below)[1]
