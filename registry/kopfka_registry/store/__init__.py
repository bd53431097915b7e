"""The topic `_schemas`: its records in Confluent's format, what they add up to, and how it is read and written."""
