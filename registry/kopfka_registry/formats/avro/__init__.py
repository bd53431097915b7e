"""Avro: schemas as Avro's Java library and Confluent's registry read, write and compare them.

`schema` is the front (`FORMAT`); `text` is JSON, `reading` and `writing` are schemas, `types` what is between them,
`style` what normalisation changes, `rules` and `resolution` compatibility, `defaults` a check that is asked for.
"""

from kopfka_registry.formats.avro.schema import FORMAT, AvroSchema

__all__ = ["FORMAT", "AvroSchema"]
