"""`kopfka schemas check`: holds the SchemaSubjects of files against a registry, for pull requests before a merge."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from kopfka_runtime.errors import KopfkaError
from kopfka_runtime.manifests import read_documents

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kopfka_operator.kube.resources import Ref
    from kopfka_operator.schemas.files import Candidate, Files
    from kopfka_operator.schemas.verdicts import Verdict

COULD_NOT_CHECK = 2


def main(argv: list[str]) -> int:
    """Check, print, and return 0 if all is compatible, 1 if something is not, 2 if something could not be checked."""
    options = _parser().parse_args(argv)
    try:
        documents = read_documents(options.file, recursive=options.recursive, strict=False)
    except KopfkaError as error:
        print(f"kopfka: {error}", file=sys.stderr)
        return COULD_NOT_CHECK
    from kopfka_operator.schemas.files import files_of  # noqa: PLC0415 - pydantic, not for --help

    files = files_of(documents, options.namespace)
    if not files.candidates:
        print(f"kopfka: no SchemaSubject in {', '.join(options.file)}: there is nothing to check", file=sys.stderr)
        return 0
    found = asyncio.run(_check(files, options))
    for verdict in found:
        for line in lines(verdict):
            print(line)
    print(summary(found))
    codes = {verdict.outcome.exit_code for verdict in found}
    return next((code for code in (1, COULD_NOT_CHECK) if code in codes), 0)


def lines(verdict: Verdict) -> list[str]:
    """Return what is printed of one SchemaSubject."""
    candidate = verdict.candidate
    name = candidate.subject.name if candidate.subject is not None else candidate.ref.name
    first = f"{candidate.source}: {candidate.ref.type.kind} {name}: {verdict.outcome.value}: {verdict.said}"
    return [first, *(f"    {each}" for each in verdict.details)]


def summary(found: Sequence[Verdict]) -> str:
    """Return the last line."""
    codes = [verdict.outcome.exit_code for verdict in found]
    return f"{codes.count(0)} compatible, {codes.count(1)} not, {codes.count(2)} not checked"


async def _check(files: Files, options: argparse.Namespace) -> list[Verdict]:
    from kopfka_operator.schemas.targets import Targets  # noqa: PLC0415
    from kopfka_operator.schemas.verdicts import Outcome, Verdict, verdicts  # noqa: PLC0415

    groups: dict[Ref | None, list[Candidate]] = {}
    for candidate in files.candidates:
        groups.setdefault(candidate.registry, []).append(candidate)
    found: dict[int, Verdict] = {}
    async with Targets(options.registry, options.ca, files.registries) as targets:
        for registry, candidates in groups.items():
            try:
                if registry is None:
                    said = [Verdict(each, Outcome.UNCHECKED, each.wrong) for each in candidates]
                else:
                    said = await verdicts(candidates, await targets.of(registry))
            except KopfkaError as error:
                said = [Verdict(each, Outcome.UNCHECKED, each.wrong or str(error)) for each in candidates]
            found |= {id(candidate): verdict for candidate, verdict in zip(candidates, said, strict=True)}
    return [found[id(candidate)] for candidate in files.candidates]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="kopfka schemas", description="Work with the schemas of files.")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    check = commands.add_parser(
        "check",
        help="tell whether the SchemaSubjects of files are compatible with what a registry has",
        description="Hold the SchemaSubjects of files against a registry, which changes nothing there.",
        epilog="Exit code 0: all compatible; 1: something is not; 2: something could not be checked. The registry is "
        "the one of --registry or KOPFKA_REGISTRY_URL, else the url of a SchemaRegistry of the files, else what the "
        "SchemaRegistry of that name in Kubernetes says. KOPFKA_REGISTRY_USER_INFO (NAME:PASSWORD) or "
        "KOPFKA_REGISTRY_TOKEN log in.",
    )
    check.add_argument(
        "-f",
        "--file",
        action="extend",
        nargs="+",
        required=True,
        metavar="FILE",
        help="file or folder with SchemaSubjects, and the ConfigMaps that hold their texts, or -",
    )
    check.add_argument("-R", "--recursive", action="store_true", help="read folders in folders too")
    check.add_argument("--registry", metavar="URL", help="where the registry is")
    check.add_argument("--ca", type=Path, metavar="FILE", help="certificates to trust, in PEM; the system's if omitted")
    check.add_argument(
        "-n", "--namespace", default="default", help="namespace of resources that name none (default: default)"
    )
    return parser
