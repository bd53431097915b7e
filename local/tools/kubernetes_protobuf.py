#!/usr/bin/env python3
"""Make `kopfka_local/api/data/protobuf.json.gz`: the numbers and names of fields that typed Kubernetes clients send.

    python local/tools/kubernetes_protobuf.py [VERSION]

kubectl sends what it makes itself (`kubectl create …`) as protobuf. The numbers are facts of Kubernetes' API types,
read from the tags of its Go sources, which the Go module proxy serves (needs `go`). A message is a list of fields:
[number, name, type, flags]; flags: r repeated, p pointer, o omitted when empty, i inlined into the parent.
"""

from __future__ import annotations

import gzip
import json
import re
import subprocess
import sys
from pathlib import Path

DATA = Path(__file__).parents[1] / "kopfka_local/api/data"
VERSION = "v0.34.4"
PACKAGES = (
    "core", "apps", "batch", "policy", "coordination", "discovery", "events", "networking", "rbac", "storage",
    "scheduling", "authorization", "authentication", "autoscaling",
)  # fmt: skip
SPECIAL = {
    "resource.Quantity": "quantity",
    "intstr.IntOrString": "intstr",
    "runtime.RawExtension": "raw",
    "types.UID": "string",
    "types.NodeName": "string",
    "meta.Time": "time",
    "meta.MicroTime": "time",
    "meta.FieldsV1": "fields",
    "meta.Duration": "duration",
}
SCALARS = {
    "string": "string", "bool": "bool", "int32": "int", "int64": "int", "int": "int", "float64": "double",
    "byte": "byte",
}  # fmt: skip
_STRUCT = re.compile(r"^type (\w+) struct \{\n(.*?)^\}", re.MULTILINE | re.DOTALL)
_ALIAS = re.compile(r"^type (\w+) ([\w.\[\]]+)$", re.MULTILINE)
_IMPORT = re.compile(r'^\s+(?:(\w+) )?"k8s\.io/(?:api|apimachinery/pkg/apis|apimachinery/pkg)/([\w/.]+)"', re.MULTILINE)
_FIELD = re.compile(r'^\s+(?:(\w+)\s+)?([\w.*\[\]]+)\s+`json:"([^"]*)"[^`\n]*?\sprotobuf:"\w+,(\d+),', re.MULTILINE)

Message = list[list[object]]


def main() -> None:
    """Read the sources, write the table."""
    version = sys.argv[1] if len(sys.argv) > 1 else VERSION
    api, machinery = module("k8s.io/api", version), module("k8s.io/apimachinery", version)
    messages: dict[str, Message] = {}
    for package in PACKAGES:
        messages |= read(package, api / package / "v1/types.go")
    messages |= read("meta", machinery / "pkg/apis/meta/v1/types.go")
    DATA.mkdir(exist_ok=True)
    text = json.dumps(messages, separators=(",", ":"), sort_keys=True)
    (DATA / "protobuf.json.gz").write_bytes(gzip.compress(text.encode(), 9, mtime=0))
    print(f"{len(messages)} messages, {sum(map(len, messages.values()))} fields")


def module(path: str, version: str) -> Path:
    """Return the folder of a Go module, downloaded where needed."""
    command = ["go", "mod", "download", "-json", f"{path}@{version}"]
    return Path(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)["Dir"])


def read(package: str, source: Path) -> dict[str, Message]:
    """Return the messages of one package."""
    text = source.read_text("utf-8")
    names = {}
    for alias, path in _IMPORT.findall(text):
        parts = path.split("/")
        names[alias or parts[-1]] = parts[0] if parts[-1] == "v1" else parts[-1]
    names |= {"metav1": "meta"}
    aliases = dict(_ALIAS.findall(text))
    return {f"{package}.{name}": fields(body, package, names, aliases) for name, body in _STRUCT.findall(text)}


def fields(body: str, package: str, names: dict[str, str], aliases: dict[str, str]) -> Message:
    """Return the fields of one struct."""
    found: Message = []
    for _, type_, json_tag, number in _FIELD.findall(body):
        name, _, options = json_tag.partition(",")
        flags = "p" if type_.startswith("*") else ""
        kind = resolve(type_.lstrip("*"), package, names, aliases)
        if type_.startswith("[]") and type_ != "[]byte":
            flags += "r"
        flags += ("o" if "omitempty" in options or "omitzero" in options else "") + ("i" if "inline" in options else "")
        found.append([int(number), name, kind, flags])
    return found


def resolve(type_: str, package: str, names: dict[str, str], aliases: dict[str, str]) -> str:  # noqa: PLR0911
    """Return what a Go type is on the wire."""
    if type_ == "[]byte":
        return "bytes"
    if type_.startswith("[]"):
        return resolve(type_[2:].lstrip("*"), package, names, aliases)
    if match := re.fullmatch(r"map\[[\w.]+\](.+)", type_):
        return "map:" + ("bytes" if match[1] == "[]byte" else resolve(match[1].lstrip("*"), package, names, aliases))
    if type_ in SCALARS:
        return SCALARS[type_]
    prefix, dot, name = type_.rpartition(".")
    full = f"{names.get(prefix, prefix)}.{name}" if dot else f"{package}.{name}"
    if full in SPECIAL:
        return SPECIAL[full]
    if not dot and name in aliases:
        # a named list is a message of its own on the wire, with its items in field 1
        return "list" if aliases[name] == "[]string" else resolve(aliases[name], package, names, aliases)
    if dot and name in ("ResourceList",):
        return "map:quantity"
    if dot and full in STRINGS:
        return "string"
    return full


#: Named strings of other packages.
STRINGS = frozenset({
    "core.Protocol", "core.NodeInclusionPolicy", "core.ConditionStatus", "core.PersistentVolumeReclaimPolicy",
    "core.PersistentVolumeAccessMode", "core.AddressType", "core.PreemptionPolicy", "core.ResourceName",
    "meta.ConditionStatus",
    "meta.LabelSelectorOperator", "meta.FieldSelectorOperator", "core.PodConditionType",
})  # fmt: skip

if __name__ == "__main__":
    main()
