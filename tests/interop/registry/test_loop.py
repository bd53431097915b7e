"""What a registry is for, in each language: a producer registers, the id is in the record, a consumer that knows
nothing fetches the schema by the id, and the data are the same; also after the schema went on.
"""

from __future__ import annotations

import pytest

from interop.registry.languages import LANGUAGES
from interop.registry.stack import read, schema_id, written

CLIENT = "Confluent's serialisers (Python)"


@pytest.mark.client(CLIENT, "the loop: register, id in the record, schema by id, the same data")
@pytest.mark.parametrize("language", LANGUAGES, ids=lambda each: each.name)
def test_the_loop(either, name, language):
    subject = f"{name}-value"
    producer, consumer = either.client(), either.client()
    message, *_ = either.travelled(written(language.writes(producer, language.schema), name, language.data))

    registered = either.client().get_latest_version(subject)
    assert (registered.version, registered.schema.schema_type) == (1, language.name)
    assert schema_id(message.value()) == registered.schema_id
    assert read(language.reads(consumer), name, message) == language.data

    # the schema goes on: an old consumer reads new data, a new one old data
    later = {**language.data, "paid": True}
    newer, *_ = either.travelled(written(language.writes(producer, language.evolved), name, later))
    assert schema_id(newer.value()) != schema_id(message.value())
    assert either.client().get_versions(subject) == [1, 2]
    new_reader, old_reader = (language.reads(either.client(), each) for each in (language.evolved, language.schema))
    assert read(new_reader, name, newer) == later
    assert {"paid": False} | read(new_reader, name, message) == {"paid": False} | language.data
    if language.name != "JSON":  # whose closed content model refuses what it does not know
        assert read(old_reader, name, newer) == language.data
