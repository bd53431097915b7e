"""What the coordinators share: internal topics as their logs, the journal over them, timers, primitive types, answers.

Each coordinator (groups, share groups, transactions) keeps its state in an internal topic of Kafka's and replays it at
the start. What the state means is theirs; nothing here knows a record's content.
"""
