"""The extension module `kopfka_native`, compiled for the tests whether or not it is installed."""

from __future__ import annotations

import functools
import subprocess
import sys
import sysconfig
from importlib.machinery import ExtensionFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from typing import Any

from kopfka_bench.brokers.cache import built_once, digest
from support.prerequisites import REPOSITORY, lacking, need_command

SOURCE = REPOSITORY / "native" / "kopfka_native.c"


def native_module() -> Any:
    """Return the module, compiled from what is in the tree; skips where there is no compiler for it."""
    need_command("cc", "a C compiler (gcc or clang)")
    headers = Path(sysconfig.get_path("include"))
    if not (headers / "Python.h").exists():
        lacking("Python.h is missing: Python's development files are needed")
    return _compiled(headers)


@functools.cache
def _compiled(headers: Path) -> Any:
    def compile_to(folder: Path) -> None:
        flags = ["-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-Werror"]
        if sys.platform == "darwin":
            flags += ["-undefined", "dynamic_lookup"]
        target = str(folder / "kopfka_native.so")
        subprocess.run(["cc", *flags, f"-I{headers}", str(SOURCE), "-o", target], check=True)

    name = f"native-{digest(SOURCE)}-{sys.implementation.cache_tag}"
    loader = ExtensionFileLoader("kopfka_native", str(built_once(name, compile_to) / "kopfka_native.so"))
    spec = spec_from_loader("kopfka_native", loader)
    assert spec is not None
    module = module_from_spec(spec)
    loader.exec_module(module)
    return module
