"""Records against a schema registry: a topic may ask that the schema of each key or value is registered for it.

As Confluent Server has it (schema ID validation). Whether the data itself fits its schema is not looked at.
"""
