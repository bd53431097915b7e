#!/usr/bin/env python3
"""Make `kopfka_local/api/data/` from a running Kubernetes: types and table columns of the built-in kinds served
locally.

    KUBECONFIG=… python local/tools/kubernetes_schemas.py

`schemas.jsonl.gz` has a line for each OpenAPI v3 definition (name, tab, JSON), only those that a served kind reaches.
`columns.json.gz` has the table column definitions of each resource. Both are facts of Kubernetes (Apache-2.0), in the
words of its authors: see `data/NOTICE`. The files are the same for the same Kubernetes, byte for byte.
"""

from __future__ import annotations

import gzip
import json
import re
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

from kopfka_local.api.resources import builtin

DATA = Path(__file__).parents[1] / "kopfka_local/api/data"
PREFIX = "#/components/schemas/"
ALSO = {
    "api/v1": (
        "Status",
        "DeleteOptions",
        "WatchEvent",
        "Patch",
        "APIResourceList",
        "Scale",
        "Eviction",
        "TokenRequest",
    ),
    "apis/apps/v1": ("Scale",),
}
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"


def main() -> None:
    """Fetch, keep what is reachable, write."""
    resources = builtin()
    kept: dict[str, Any] = {}
    for group_version in sorted({resource.gvr.api_version for resource in resources}):
        path = f"apis/{group_version}" if "/" in group_version else f"api/{group_version}"
        schemas = json.loads(get(f"/openapi/v3/{path}"))["components"]["schemas"]
        kinds = {r.definition for r in resources if r.gvr.api_version == group_version}
        roots = kinds | {f"{name}List" for name in kinds}
        roots |= {name for name in schemas if name.rpartition(".")[2] in ALSO.get(path, ())}
        kept.update({name: schemas[name] for name in reachable(roots, schemas)})
    lines = [f"{name}\t{json.dumps(kept[name], separators=(',', ':'))}\n" for name in sorted(kept)]
    write("schemas.jsonl.gz", "".join(lines))
    columns = {
        f"{r.plural}.{r.group}".rstrip("."): table_columns(r.gvr.api_version, r.plural)
        for r in resources
        if "list" in r.verbs
    }
    write("columns.json.gz", json.dumps(columns, separators=(",", ":"), sort_keys=True))
    print(f"{len(kept)} definitions, {len(columns)} tables")


def reachable(roots: set[str], schemas: dict[str, Any]) -> set[str]:
    """Return the names of all definitions that `roots` refer to, themselves included."""
    seen: set[str] = set()
    pending = [name for name in roots if name in schemas]
    while pending:
        name = pending.pop()
        if name not in seen:
            seen.add(name)
            pending += re.findall(f'"{PREFIX}([^"]+)"', json.dumps(schemas[name]))
    return seen


def table_columns(api_version: str, plural: str) -> list[dict[str, Any]]:
    """Return the columns the API server prints a resource with."""
    path = f"/apis/{api_version}/{plural}" if "/" in api_version else f"/api/{api_version}/{plural}"
    columns: list[dict[str, Any]] = json.loads(get(path, TABLE))["columnDefinitions"]
    return columns


def get(path: str, accept: str = "") -> str:
    """Return what the API server answers; kubectl holds the credentials, and curl is not needed for its own types."""
    if not accept:
        return subprocess.run(["kubectl", "get", "--raw", path], check=True, capture_output=True, text=True).stdout
    # kubectl sends no Accept of ours: let its proxy carry the request
    with subprocess.Popen(["kubectl", "proxy", "--port=0"], stdout=subprocess.PIPE, text=True) as proxy:
        assert proxy.stdout is not None
        try:
            address = proxy.stdout.readline().split()[-1]
            request = urllib.request.Request(f"http://{address}{path}?limit=1", headers={"Accept": accept})
            with urllib.request.urlopen(request) as answer:
                return str(answer.read().decode())
        finally:
            proxy.terminate()


def write(name: str, text: str) -> None:
    """Write compressed, without the time of day in it."""
    DATA.mkdir(exist_ok=True)
    (DATA / name).write_bytes(gzip.compress(text.encode(), 9, mtime=0))


if __name__ == "__main__":
    main()
