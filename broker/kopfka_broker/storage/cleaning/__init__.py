"""Log compaction: of each key the newest record stays, as Apache Kafka's log cleaner keeps it.

`plan` says which segments of which log, `records` which records of a batch, `files` puts the result in the place of
what was there, `cleaner` does it in the background.
"""

from kopfka_broker.storage.cleaning.cleaner import CleanerSettings, CleanerStats, LogCleaner

__all__ = ["CleanerSettings", "CleanerStats", "LogCleaner"]
