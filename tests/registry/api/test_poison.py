"""Schemas made to hurt: each is refused with a 422, and meanwhile others are answered."""

from __future__ import annotations

import json

import pytest

from registry.service.schemas import ONE


def _nested(kind: str, depth: int) -> str:
    match kind:
        case "AVRO":
            return '{"type":"array","items":' * depth + '"int"' + "}" * depth
        case "JSON":
            return '{"items":' * depth + "{}" + "}" * depth
        case _:
            return 'syntax = "proto3";' + "".join(f"message M{number} {{" for number in range(depth)) + "}" * depth


def _branches(count: int) -> str:
    return json.dumps(
        {"oneOf": [{"type": "object", "properties": {f"p{n}": {"type": "string"}}} for n in range(count)]}
    )


def _references(count: int) -> str:
    """A chain in which each definition names the next one twice: written out, it would be 2**count long."""
    definitions = {
        f"d{n}": {"properties": {"a": {"$ref": f"#/definitions/d{n + 1}"}, "b": {"$ref": f"#/definitions/d{n + 1}"}}}
        for n in range(count)
    }
    return json.dumps({"$ref": "#/definitions/d0", "definitions": {**definitions, f"d{count}": {}}})


@pytest.mark.parametrize("kind", ["AVRO", "JSON", "PROTOBUF"])
@pytest.mark.parametrize("depth", [1_000, 30_000])
def test_what_is_nested_too_deeply(rest, kind, depth):
    answer = rest("POST", "/subjects/deep/versions", {"schema": _nested(kind, depth), "schemaType": kind})
    assert answer.error == (422, 42201), answer
    assert rest("GET", "/").status == 200


@pytest.mark.parametrize("kind", ["AVRO", "JSON", "PROTOBUF"])
def test_what_is_too_large(rest, kind):
    answer = rest("POST", "/subjects/large/versions", {"schema": " " * 2_000_000 + "x", "schemaType": kind})
    assert answer.error == (422, 42201), answer


def test_an_enum_of_many_symbols_is_taken_as_long_as_it_fits(rest):
    symbols = [f"S{number}" for number in range(20_000)]
    text = json.dumps({"type": "enum", "name": "E", "symbols": symbols}, separators=(",", ":"))
    number = rest.register("symbols", text)
    assert json.loads(rest("GET", f"/schemas/ids/{number}").body["schema"])["symbols"] == symbols
    more = json.dumps({"type": "enum", "name": "E", "symbols": [*symbols, "MORE"]})
    assert rest("POST", "/compatibility/subjects/symbols/versions", {"schema": more}).body["is_compatible"] is True


def test_many_branches_against_many(rest):
    rest.register("branches", _branches(300), schemaType="JSON")
    answer = rest("POST", "/compatibility/subjects/branches/versions", {"schema": _branches(301), "schemaType": "JSON"})
    assert answer.status in (200, 422), answer
    assert rest("GET", "/").status == 200


def test_references_that_would_be_endless_written_out(rest):
    rest.register("endless", _references(60), schemaType="JSON")
    answer = rest("POST", "/compatibility/subjects/endless/versions", {"schema": _references(61), "schemaType": "JSON"})
    assert answer.status in (200, 422), answer
    resolved = rest("GET", "/subjects/endless/versions/latest?format=resolved")
    assert resolved.status in (200, 422)
    assert len(json.dumps(resolved.body)) < 10_000_000


def test_patterns_that_take_for_ever(rest):
    bomb = {"type": "object", "patternProperties": {"^(a+)+$": {"type": "string"}}, "additionalProperties": False}
    other = {"type": "object", "properties": {"a" * 40 + "!": {"type": "string"}}, "additionalProperties": False}
    rest.register("pattern", json.dumps(other), schemaType="JSON")
    body = {"schema": json.dumps(bomb), "schemaType": "JSON"}
    assert rest("POST", "/compatibility/subjects/pattern/versions?verbose=true", body).status == 200
    assert rest("GET", "/").status == 200


def test_a_schema_that_refers_to_itself(rest):
    text = '{"type":"record","name":"Node","fields":[{"name":"next","type":["null","Node"],"default":null}]}'
    rest.register("node", text)
    answer = rest("POST", "/compatibility/subjects/node/versions", {"schema": text})
    assert answer.body == {"is_compatible": True}
    assert rest("POST", "/subjects/none/versions", {"schema": ONE.replace('"int"', '"A"'), "references": [
        {"name": "A", "subject": "none", "version": 1}]}).error == (422, 42201)  # fmt: skip


def test_what_does_not_fit_into_a_record(rest):
    fields = [{"name": f"f{number}", "type": "string"} for number in range(28_000)]
    text = json.dumps({"type": "record", "name": "Wide", "fields": fields}, separators=(",", ":"))
    assert len(text) < 1_000_000 < 1_048_576 < len(json.dumps(text))
    answer = rest("POST", "/subjects/wide/versions", {"schema": text})
    assert answer.error == (422, 42209), answer
    assert rest("GET", "/subjects/wide/versions").error == (404, 40401)
    assert rest.register("wide", ONE) > 0
