"""`kopfka schemas check` against a real registry: verdicts, the way they are told, exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from kopfka_operator.kube.resources import SCHEMA_REGISTRIES
from kopfka_operator.registry.client import RegistryClient
from kopfka_operator.registry.model import Reference, Schema
from kopfka_operator.schemas.files import files_of
from kopfka_operator.schemas.main import main
from kopfka_runtime.manifests import parse_documents
from support.processes import RegistryProcess, free_port, running_broker, running_registry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from conftest import Api

    Write = Callable[..., Path]

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryProcess]:
    folder = tmp_path_factory.mktemp("registry")
    with (
        running_broker(folder / "data") as broker,
        running_registry(folder / "registry", broker.bootstrap) as process,
    ):
        yield process


@dataclass
class Told:
    """What the command said and how it ended."""

    code: int
    out: str
    err: str

    def line(self, subject: str) -> str:
        return next(line for line in self.out.splitlines() if f" {subject}: " in line)


@pytest.fixture
def check(registry: RegistryProcess, capsys: pytest.CaptureFixture[str]) -> Callable[..., Told]:
    def run(*arguments: str | Path, at: str = registry.url) -> Told:
        code = main(["check", *(("--registry", at) if at else ()), *map(str, arguments)])
        said = capsys.readouterr()
        return Told(code, said.out, said.err)

    return run


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def to(file: str, *resources: dict[str, Any]) -> Path:
        path = tmp_path / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump_all(resources))
        return path

    return to


def subject(name: str, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "kopfka.io/v1alpha1",
        "kind": "SchemaSubject",
        "metadata": {"name": name},
        "spec": {"registry": "schemas", **spec},
    }


def config_map(name: str, **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def record(name: str, *fields: str, defaults: bool = True) -> str:
    made = [{"name": each, "type": "string", **({"default": ""} if defaults else {})} for each in fields]
    return json.dumps({"type": "record", "name": name, "fields": made})


async def register(registry: RegistryProcess, name: str, text: str, *references: Reference) -> None:
    client = RegistryClient(registry.url)
    try:
        await client.register(name, Schema("AVRO", text, references))
    finally:
        await client.close()


async def settings(registry: RegistryProcess, name: str) -> tuple[list[int], Any]:
    client = RegistryClient(registry.url)
    try:
        return await client.versions(name), await client.compatibility(name)
    finally:
        await client.close()


def test_what_a_registry_would_take_is_told_and_nothing_is_changed(
    registry: RegistryProcess, check: Callable[..., Told], write: Write
) -> None:
    import asyncio

    asyncio.run(register(registry, "same", record("A", "a")))
    asyncio.run(register(registry, "grows", record("A", "a")))
    path = write(
        "s.yaml",
        subject("same", schema=record("A", "a"), compatibility="FULL"),
        subject("grows", schema=record("A", "a", "b")),
        subject("new", schema=record("A", "a")),
    )
    told = check("-f", path)
    assert told.code == 0
    assert told.out.splitlines() == [
        f"{path}: document 1: SchemaSubject same: unchanged: is version 1",
        f"{path}: document 2: SchemaSubject grows: compatible: would be version 2",
        f"{path}: document 3: SchemaSubject new: new: would be version 1",
        "3 compatible, 0 not, 0 not checked",
    ]
    assert asyncio.run(settings(registry, "same")) == ([1], None)
    assert asyncio.run(settings(registry, "grows"))[0] == [1]
    assert asyncio.run(settings(registry, "new"))[0] == []


async def test_an_incompatible_schema_is_told_with_every_reason(registry: RegistryProcess, write: Write) -> None:
    await register(registry, "breaks", record("A", "a"))
    path = write(
        "s.yaml",
        subject("breaks", schema=record("A", "a", "b", defaults=False)),
        subject("fine", schema=record("A", "a")),
        subject("wrong", schema='{"type": "recor"}'),
    )
    command = [sys.executable, "-m", "kopfka_cli", "schemas", "check", "-f", str(path), "--registry", registry.url]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == f"{path}: document 1: SchemaSubject breaks: INCOMPATIBLE: version 1 would stay"
    assert lines[1].startswith("    {errorType:'READER_FIELD_MISSING_DEFAULT_VALUE', description:'The field 'b'")
    assert "SchemaSubject wrong: INVALID: " in done.stdout
    assert lines[-1] == "1 compatible, 2 not, 0 not checked"


async def test_a_compatibility_that_comes_with_the_file_is_taken_into_account(
    registry: RegistryProcess, write: Write, check: Callable[..., Told]
) -> None:
    await register(registry, "levels-a", record("A", "a"))
    await register(registry, "levels-b", record("A", "a"))
    path = write(
        "s.yaml",
        subject("levels-a", schema=record("A", "z", defaults=False), compatibility="NONE"),
        subject("levels-b", schema=record("A", "a", "b"), compatibility="FULL"),
    )
    told = await _in_thread(check, "-f", path)
    assert told.code == 0
    assert told.line("levels-a").endswith("compatible: would be version 2, as compatibility becomes NONE")
    assert "READER_FIELD_MISSING_DEFAULT_VALUE" in told.out
    assert "the registry went by BACKWARD, and compatibility becomes FULL" in told.line("levels-b")


async def _in_thread(check: Callable[..., Told], *arguments: Any, **more: Any) -> Told:
    import asyncio

    return await asyncio.to_thread(check, *arguments, **more)


ORDER = '{"type": "record", "name": "Order", "fields": [{"name": "to", "type": "Address"}]}'


async def test_references_are_those_of_the_registry_and_what_cannot_be_checked_is_said(
    registry: RegistryProcess, write: Write, check: Callable[..., Told]
) -> None:
    def order(name: str, address: str, **reference: Any) -> dict[str, Any]:
        return subject(name, schema=ORDER, references=[{"name": "Address", "subject": address, **reference}])

    await register(registry, "refs-address", record("Address", "street"))
    await register(registry, "refs-order", ORDER, Reference("Address", "refs-address", 1))
    path = write(
        "s.yaml", order("refs-order", "refs-address"), subject("refs-address", schema=record("Address", "street"))
    )
    told = await _in_thread(check, "-f", path)
    assert (told.code, told.line("refs-order").partition("SchemaSubject ")[2]) == (
        0,
        "refs-order: unchanged: is version 1",
    )

    # what it refers to changes in the same files
    path = write(
        "s.yaml",
        order("refs-order", "refs-address"),
        subject("refs-address", schema=record("Address", "street", "town")),
    )
    told = await _in_thread(check, "-f", path)
    assert told.code == 0
    assert told.line("refs-order").endswith("is version 1; with version 1 of refs-address, as it is registered now")

    # both are new: the registry cannot be asked, and nothing can break
    path = write(
        "s.yaml", order("refs-order-2", "refs-address-2"), subject("refs-address-2", schema=record("Address", "street"))
    )
    told = await _in_thread(check, "-f", path)
    assert told.code == 0
    assert "new: would be version 1; the registry was not asked: it refers to refs-address-2" in told.line(
        "refs-order-2"
    )

    # there is something that could break
    path = write(
        "s.yaml", order("refs-order", "refs-address-2"), subject("refs-address-2", schema=record("Address", "street"))
    )
    told = await _in_thread(check, "-f", path)
    assert told.code == 2
    assert "NOT CHECKED: it refers to refs-address-2, which is among these files" in told.line("refs-order")

    told = await _in_thread(check, "-f", write("s.yaml", order("refs-order", "nowhere")))
    assert told.code == 2
    assert "it refers to nowhere, which is not registered" in told.line("refs-order")
    told = await _in_thread(check, "-f", write("s.yaml", order("refs-order", "refs-address", version=9)))
    assert "it refers to version 9 of refs-address, which is not registered" in told.line("refs-order")
    told = await _in_thread(check, "-f", write("s.yaml", order("a", "b"), order("b", "a")))
    assert told.code == 2
    assert "circle of references" in told.line("a")


def test_texts_come_from_config_maps_of_the_files(write: Write, check: Callable[..., Told], tmp_path: Path) -> None:
    source = {"configMapKeyRef": {"name": "texts", "key": "a.avsc"}}
    write("sub/a.yaml", subject("from-a-map", schemaFrom=source))
    write("texts.yaml", config_map("texts", **{"a.avsc": record("A", "a")}))
    told = check("-R", "-f", tmp_path)
    assert told.code == 0
    assert "new: would be version 1" in told.line("from-a-map")
    told = check("-f", tmp_path / "sub")
    assert told.code == 2
    assert "its ConfigMap texts is not among the files" in told.line("from-a-map")
    write("texts.yaml", config_map("texts", other="x"))
    assert "its ConfigMap texts has no entry a.avsc" in check("-R", "-f", tmp_path).line("from-a-map")


def test_what_is_not_valid_or_not_there_is_not_checked(
    write: Write, check: Callable[..., Told], tmp_path: Path
) -> None:
    path = write("s.yaml", subject("odd", schema='"int"', compatibility="SOME"), subject("fine", schema='"int"'))
    told = check("-f", path)
    assert told.code == 2
    assert "odd: NOT CHECKED: spec.compatibility: " in told.out
    assert "1 compatible, 0 not, 1 not checked" in told.out
    away = check("-f", path, at=f"http://127.0.0.1:{free_port()}")
    assert away.code == 2
    assert "does not answer" in away.line("fine")
    (tmp_path / "broken.yaml").write_text("kind: [")
    broken = check("-f", tmp_path / "broken.yaml")
    assert (broken.code, "broken.yaml" in broken.err) == (2, True)
    missing = check("-f", tmp_path / "no")
    assert (missing.code, "No such file" in missing.err) == (2, True)
    (tmp_path / "other.yaml").write_text("kind: Kustomization\nresources: []\n")
    nothing = check("-f", tmp_path / "other.yaml")
    assert (nothing.code, "there is nothing to check" in nothing.err) == (0, True)


async def test_something_incompatible_outweighs_what_was_not_checked(
    registry: RegistryProcess, write: Write, check: Callable[..., Told]
) -> None:
    await register(registry, "both", record("A", "a"))
    path = write(
        "s.yaml",
        subject("both", schema=record("A", "b", defaults=False)),
        subject("odd", schema='"int"', mode="SOME"),
    )
    assert (await _in_thread(check, "-f", path)).code == 1


def test_the_registry_of_the_files_is_asked_where_none_is_named(
    registry: RegistryProcess, write: Write, check: Callable[..., Told], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = {
        "apiVersion": "kopfka.io/v1alpha1",
        "kind": "SchemaRegistry",
        "metadata": {"name": "schemas"},
        "spec": {"engine": "external", "url": registry.url},
    }
    path = write("s.yaml", made, subject("by-file", schema='"int"'))
    assert check("-f", path, at="").code == 0
    path = write("s.yaml", subject("by-variable", schema='"int"'))
    monkeypatch.setenv("KUBECONFIG", "/nowhere")
    told = check("-f", path, at="")
    assert told.code == 2
    assert "or pass --registry URL" in told.line("by-variable")
    monkeypatch.setenv("KOPFKA_REGISTRY_URL", registry.url)
    assert check("-f", path, at="").code == 0


async def test_the_registry_of_the_cluster_is_asked_where_none_is_named(
    api: Api, registry: RegistryProcess, write: Write, check: Callable[..., Told], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(api.kubeconfig))
    path = write("s.yaml", subject("in-a-cluster", schema='"int"'))
    told = await _in_thread(check, "-f", path, at="")
    assert "there is no SchemaRegistry default/schemas" in told.line("in-a-cluster")
    await api.create(SCHEMA_REGISTRIES, "schemas", {"engine": "external", "url": registry.url})
    assert (await _in_thread(check, "-f", path, at="")).code == 0


def test_resources_are_told_apart_by_their_namespaces() -> None:
    here = config_map("texts", k='"int"')
    there = {**here, "metadata": {"name": "texts", "namespace": "b"}, "data": {"k": '"long"'}}
    source = {"schemaFrom": {"configMapKeyRef": {"name": "texts", "key": "k"}}}
    one, other = subject("s", **source), subject("s", **source)
    other["metadata"] = {"name": "s", "namespace": "b"}
    text = yaml.safe_dump_all([here, there, one, other])
    files = files_of(parse_documents("f", text), "a")
    assert [(each.ref.namespace, each.text) for each in files.candidates] == [("a", '"int"'), ("b", '"long"')]


def test_the_example_can_be_checked_as_it_is(check: Callable[..., Told]) -> None:
    told = check("-f", EXAMPLES / "schemas.yaml")
    assert told.code == 0, told.out
    assert "4 compatible, 0 not, 0 not checked" in told.out
