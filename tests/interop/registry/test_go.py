"""Go's client, franz-go's `pkg/sr`: every call, and its framing of records beside Confluent's serialisers."""

from __future__ import annotations

import inspect
import json
import sys

import pytest

from interop.registry.languages import JSON, PROTOBUF
from interop.registry.programs import RemoteError
from interop.registry.stack import read, schema_id, three, written

CLIENT = "franz-go's registry client"
OPTIONS = {"Do", "Opts", "OptValue", "OptValues"}
"""Methods that say how the client was set up, and the one all others are made of."""
NOT_SERVED = {"DeleteContext"}


@pytest.fixture
def call(go, stack):
    """Return a function that calls a method of the client; parameters are named, `within` is a context."""

    def call(method, *given, within="", **params):
        return go.ask(url=stack.url, call=method, params=params, context=within, **{"with": given})

    return call


def schema(text, kind="AVRO", **more):
    return {"schema": json.dumps(text), "schemaType": kind, **more}


def failing(call, *given, **params):
    with pytest.raises(RemoteError) as caught:
        call(*given, **params)
    return caught.value.status, caught.value.code


def texts(found):
    return sorted((each["subject"], each["version"]) for each in found)


@pytest.mark.client(CLIENT, "every call: schemas, ids, GUIDs, references, levels, modes, contexts, deletes")
def test_every_call(go, call, name):
    one, wider, other = three(name)
    assert sorted(call("SupportedTypes")) == ["AVRO", "JSON", "PROTOBUF"]
    made = call("CreateSchema", name, schema(one))
    first = made["id"]
    assert (made["subject"], made["version"], json.loads(made["schema"])) == (name, 1, one)
    assert call("RegisterSchema", name, schema(wider), -1, -1) == first + 1
    assert call("RegisterSchema", f"{name}-b", schema(wider), -1, -1, normalize=True) == first + 1
    assert call("CheckCompatibility", name, -1, schema(wider))["is_compatible"] is True
    for version in (-1, 1, -2):
        found = call("CheckCompatibility", name, version, schema(other), verbose=True)
        assert found["is_compatible"] is False
        assert any("READER_FIELD_MISSING_DEFAULT_VALUE" in each for each in found["messages"])
    assert failing(call, "RegisterSchema", name, schema(other), -1, -1) == (409, 40901)
    assert call("Subjects", subjectPrefix=name) == [name, f"{name}-b"]
    assert json.loads(call("SchemaByID", first)["schema"]) == one
    assert json.loads(call("SchemaTextByID", first)) == one
    assert json.loads(call("SchemaTextByVersion", name, -1)) == wider
    assert call("SubjectsByID", first + 1) == [name, f"{name}-b"]
    assert texts(call("SchemaVersionsByID", first + 1)) == [(name, 2), (f"{name}-b", 1)]
    assert texts(call("SchemaUsagesByID", first + 1)) == [(name, 2), (f"{name}-b", 1)]
    assert call("SubjectVersions", name) == [1, 2]
    latest = call("SchemaByVersion", name, -1)
    assert (latest["version"], latest["id"]) == (2, first + 1)
    assert json.loads(call("SchemaByGUID", latest["guid"])["schema"]) == wider
    assert call("SchemaIDsByGUID", latest["guid"]) == [{"context": ".", "id": first + 1}]
    assert texts(call("Schemas", name)) == [(name, 1), (name, 2)]
    assert texts(call("AllSchemas", subjectPrefix=name, latestOnly=True)) == [(name, 2), (f"{name}-b", 1)]
    assert call("LookupSchema", name, schema(one))["version"] == 1
    assert failing(call, "LookupSchema", name, schema(other)) == (404, 40403)

    holder = {"type": "record", "name": "Holder", "fields": [{"name": "r", "type": one["name"]}]}
    refers = [{"name": one["name"], "subject": name, "version": 2}]
    call("CreateSchema", f"{name}-holder", schema(holder, references=refers))
    assert texts(call("SchemaReferences", name, 2)) == [(f"{name}-holder", 1)]

    assert failing(call, "Compatibility", name) == (404, 40408)
    level = {"compatibility": "FULL", "compatibilityGroup": "major"}
    [found] = call("SetCompatibility", level, name)
    assert (found["compatibilityLevel"], found["compatibilityGroup"]) == ("FULL", "major")
    assert [each["compatibilityLevel"] for each in call("Compatibility", name, "")] == ["FULL", "BACKWARD"]
    assert call("Compatibility", f"{name}-b", defaultToGlobal=True)[0]["compatibilityLevel"] == "BACKWARD"
    call("ResetCompatibility", name)
    assert failing(call, "Compatibility", name) == (404, 40408)

    assert failing(call, "Mode", name) == (404, 40409)
    assert call("Mode")[0]["Mode"] == "READWRITE"
    assert call("Mode", name, defaultToGlobal=True)[0]["Mode"] == "READWRITE"
    assert call("SetMode", "READONLY", name)[0]["Mode"] == "READONLY"
    assert failing(call, "RegisterSchema", name, schema(one | {"doc": "new"}), -1, -1) == (422, 42205)
    call("ResetMode", name)

    assert failing(call, "DeleteSchema", name, 2, False) == (422, 42206)
    assert call("DeleteSubject", f"{name}-holder", False) == [1]
    assert call("DeleteSchema", name, 2, False) is None
    assert failing(call, "DeleteSubject", name, True) == (404, 40405)
    assert call("DeleteSubject", name, False) == [1]
    assert call("Subjects", subjectPrefix=name) == [f"{name}-b"]
    assert call("Subjects", subjectPrefix=name, deletedOnly=True) == [name, f"{name}-holder"]
    assert call("SubjectVersions", name, deleted=True) == [1, 2]
    for subject in (f"{name}-holder", name):
        call("DeleteSubject", subject, True)
    assert failing(call, "SubjectVersions", name, deleted=True) == (404, 40401)

    methods = set(go.ask(methods=True)) - OPTIONS - NOT_SERVED
    assert len(methods) > 25
    assert {each for each in methods if f'"{each}"' not in inspect.getsource(sys.modules[__name__])} == set()


@pytest.mark.client(CLIENT, "every call: schemas, ids, GUIDs, references, levels, modes, contexts, deletes")
def test_contexts(call, name):
    one, wider, _ = three(name)
    context = f".{name}"
    made = call("CreateSchema", name, schema(one), within=context)
    assert (made["subject"], made["id"]) == (f":{context}:{name}", 1)
    assert call("Contexts", contextPrefix=context) == [context]
    assert call("Subjects", within=context) == [f":{context}:{name}"]
    assert json.loads(call("SchemaByID", 1, within=context)["schema"]) == one
    assert failing(call, "SchemaByVersion", f"{name}-none", 1, within=context) == (404, 40401)
    # ids and versions of one's own choice, where a mirror is made
    [found] = call("SetMode", "IMPORT", name, within=context, force=True)
    assert found["Mode"] == "IMPORT"
    made = call("CreateSchemaWithIDAndVersion", name, schema(wider), 70, 7, within=context)
    assert (made["id"], made["version"]) == (70, 7)


@pytest.mark.client(CLIENT, "sr.Serde: the loop with Python, JSON Schema and Protobuf's indexes")
def test_the_loop_with_python(go, stack, call, name):
    data = {"id": 5, "item": "зонт"}
    number = call("RegisterSchema", f"{name}-value", schema(json.loads(JSON.schema), "JSON"), -1, -1)
    value = go.ask(encode=data, id=number)
    record, *_ = stack.travelled((value, []))
    assert schema_id(record.value()) == number
    assert read(JSON.reads(stack.client()), name, record) == data
    mine, *_ = stack.travelled(written(JSON.writes(stack.client(), JSON.schema), name, data))
    found = go.ask(decode=mine.value())
    assert found["data"] == data
    assert json.loads(call("SchemaTextByID", found["id"])) == json.loads(JSON.schema)
    # the indexes of a message stand before Protobuf's data
    mine, *_ = stack.travelled(written(PROTOBUF.writes(stack.client(), PROTOBUF.schema), f"{name}-p", PROTOBUF.data))
    found = go.ask(decode=mine.value(), index=[0])
    assert found["index"] == [0]
    assert found["id"] == schema_id(mine.value())
    framed = go.ask(encode=found["data"], id=found["id"], index=found["index"])
    assert framed == mine.value()
    record, *_ = stack.travelled((framed, []))
    assert read(PROTOBUF.reads(stack.client()), f"{name}-p", record) == PROTOBUF.data
