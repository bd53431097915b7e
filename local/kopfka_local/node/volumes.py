"""Volumes of a pod as folders of this machine.

`payload` is pure: the files a configMap, secret, projected or downwardAPI volume has. `Folder.write` puts them into a
folder as the kubelet does: a new folder beside the old one and one rename of the link `..data`, so that a reader sees
either all of the old files or all of the new ones. An emptyDir is a folder that goes with the pod; a persistent
volume's is not made here. Sizes are not limited, and owners and groups (`fsGroup`) are this user's.
"""

from __future__ import annotations

import base64
import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kopfka_local.node.environment import MissingReferenceError, field_value, resource_value

if TYPE_CHECKING:
    from pathlib import Path

    from kopfka_local.kinds import Object
    from kopfka_local.node.environment import Find, Machine, Sources

_DATA = "..data"
WRITTEN = ("configMap", "secret", "projected", "downwardAPI")


@dataclass(frozen=True, slots=True)
class File:
    """Content and mode of one file of a volume."""

    data: bytes
    mode: int


def payload(volume: Object, pod: Object, sources: Sources) -> dict[str, File]:
    """Return the files of a configMap, secret, projected or downwardAPI volume by relative path.

    Raises:
        MissingReferenceError: something that is not optional is missing.
    """
    if "projected" not in volume:
        return _source_files(volume, volume, pod, sources)
    files: dict[str, File] = {}
    for source in volume["projected"].get("sources") or ():
        files |= _source_files(source, volume["projected"], pod, sources)
    return files


def _source_files(source: Object, defaults: Object, pod: Object, sources: Sources) -> dict[str, File]:
    if spec := source.get("configMap"):
        name = spec.get("name", "")
        return _keyed(_config_map_bytes(_find(sources.config_map, name, spec, "configmap")), spec, defaults, name)
    if spec := source.get("secret"):
        name = spec.get("secretName") or spec.get("name", "")
        return _keyed(_secret_bytes(_find(sources.secret, name, spec, "secret")), spec, defaults, name)
    if spec := source.get("downwardAPI"):
        return _downward_files(spec, defaults, pod, sources.machine)
    if (spec := source.get("serviceAccountToken")) and sources.token:
        return {spec["path"]: File(sources.token.encode(), 0o600)}
    return {}


def _find(find: Find, name: str, spec: Object, label: str) -> Object | None:
    obj = find(name)
    if obj is None and not spec.get("optional"):
        raise MissingReferenceError(f'{label} "{name}" not found')
    return obj


def _config_map_bytes(obj: Object | None) -> dict[str, bytes]:
    texts = {name: text.encode() for name, text in ((obj or {}).get("data") or {}).items()}
    return texts | {name: base64.b64decode(data) for name, data in ((obj or {}).get("binaryData") or {}).items()}


def _secret_bytes(obj: Object | None) -> dict[str, bytes]:
    return {name: base64.b64decode(data) for name, data in ((obj or {}).get("data") or {}).items()}


def _keyed(data: dict[str, bytes], spec: Object, defaults: Object, name: str) -> dict[str, File]:
    mode = _mode(spec, defaults)
    if not spec.get("items"):
        return {key: File(value, mode) for key, value in data.items()}
    files = {}
    for item in spec["items"]:
        if item["key"] in data:
            files[item["path"]] = File(data[item["key"]], item.get("mode") or mode)
        elif not spec.get("optional"):
            raise MissingReferenceError(f"references non-existent key {item['key']} in {name}")
    return files


def _downward_files(spec: Object, defaults: Object, pod: Object, machine: Machine) -> dict[str, File]:
    files = {}
    for item in spec.get("items") or ():
        if "fieldRef" in item:
            text = field_value(pod, item["fieldRef"]["fieldPath"])
        else:
            text = resource_value(item["resourceFieldRef"], pod["spec"]["containers"][0], pod, machine)
        files[item["path"]] = File(text.encode(), item.get("mode") or _mode(spec, defaults))
    return files


def _mode(spec: Object, defaults: Object) -> int:
    mode: Any = spec.get("defaultMode") or defaults.get("defaultMode")
    return int(mode) if mode is not None else 0o644


def write_files(folder: Path, files: dict[str, File]) -> bool:
    """Make a folder hold exactly these files, all at once; tell whether anything changed."""
    folder.mkdir(parents=True, exist_ok=True)
    current = folder / _DATA
    if current.exists() and _read_files(current) == files:
        return False
    number = 1 + max((int(old.name[3:]) for old in folder.glob("..v*") if old.name[3:].isdigit()), default=0)
    fresh = folder / f"..v{number}"
    for path, file in files.items():
        target = fresh / path
        if not target.resolve().is_relative_to(fresh.resolve()):
            raise MissingReferenceError(f"{path} leads out of the volume")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.data)
        target.chmod(file.mode)
    fresh.mkdir(parents=True, exist_ok=True)
    old = current.resolve() if current.exists() else None
    link = folder / "..data_new"
    link.unlink(missing_ok=True)
    link.symlink_to(fresh.name)
    link.rename(current)
    tops = {path.partition("/")[0] for path in files}
    for top in tops:
        if not os.path.lexists(folder / top):
            (folder / top).symlink_to(f"{_DATA}/{top}")
    for entry in folder.iterdir():
        if not entry.name.startswith("..") and entry.name not in tops:
            entry.unlink()
    if old is not None:
        shutil.rmtree(old, ignore_errors=True)
    return True


def _read_files(folder: Path) -> dict[str, File]:
    found = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): File(path.read_bytes(), path.stat().st_mode & 0o777) for path in found}
