"""Logging of every process: one line a record on standard error, as text for people or as JSON for collectors."""

from __future__ import annotations

import json
import logging
import os
import sys
import time

FORMAT_VARIABLE = "KOPFKA_LOG_FORMAT"
LEVEL_VARIABLE = "KOPFKA_LOG_LEVEL"


class _TextFormatter(logging.Formatter):
    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s")

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z"


class _JsonFormatter(_TextFormatter):
    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "time": self.formatTime(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        # what a record says in parts as well: logger.info(..., extra={"fields": {...}})
        entry |= {key: value for key, value in getattr(record, "fields", {}).items() if key not in entry}
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False, default=str)


def setup_logging(level: str | None = None, style: str | None = None) -> None:
    """Send every logger's records to standard error.

    Args:
        level: a name of `logging` (`info`); `KOPFKA_LOG_LEVEL` and then `info` where None.
        style: `text` or `json`; `KOPFKA_LOG_FORMAT` and then `text` where None.
    """
    style = style or os.environ.get(FORMAT_VARIABLE, "text")
    level = level or os.environ.get(LEVEL_VARIABLE, "info")
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonFormatter() if style == "json" else _TextFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
