"""Checks of a file as a whole: imports, names others have too, services; and the way to everything in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kopfka_registry.formats.protobuf import elements as e
from kopfka_registry.formats.protobuf.checks.context import Place, option_word
from kopfka_registry.formats.protobuf.checks.enums import check_enum
from kopfka_registry.formats.protobuf.checks.extensions import check_extend
from kopfka_registry.formats.protobuf.checks.messages import check_message
from kopfka_registry.formats.protobuf.checks.style import check_lower, check_title
from kopfka_registry.formats.protobuf.features import of_file, refined
from kopfka_registry.formats.protobuf.refusal import RefusalError

if TYPE_CHECKING:
    from kopfka_registry.formats.protobuf.checks.context import Context
    from kopfka_registry.formats.protobuf.features import Features


def check_file(context: Context) -> None:
    """Check all of a file."""
    file = context.file
    features = of_file(file)
    _check_imports(context)
    _check_names(context)
    if features.field_presence == "LEGACY_REQUIRED":
        raise RefusalError("fields cannot be required by default", file.at)
    context.check_options(file.options, "FileOptions", file.package)
    if file.package:
        check_lower(file.package, "package", features, file.at, dots=True)
    if file.syntax == "2024":
        for option in file.options:
            if option.name == "java_multiple_files":
                raise RefusalError("edition 2024 has features.(pb.java).nest_in_file_class for it", option.at)
    place = Place(file.package, features)
    for item in file.body:
        match item:
            case e.Message():
                check_message(context, item, place)
            case e.Enum():
                check_enum(context, item, place)
            case e.Extend():
                check_extend(context, item, place)
            case e.Service():
                _check_service(context, item, features)


def _check_imports(context: Context) -> None:
    seen: set[str] = set()
    after_options = False
    lite = option_word(context.file.options, "optimize_for") == "LITE_RUNTIME"
    for item in context.file.imports:
        if item.path in seen:
            raise RefusalError(f'"{item.path}" is imported twice', item.at)
        seen.add(item.path)
        after_options = after_options or item.kind == "option"
        if after_options and item.kind != "option":
            raise RefusalError("imports of options stand after all others", item.at)
        imported = context.linked.tables[item.path].file
        if not lite and option_word(imported.options, "optimize_for") == "LITE_RUNTIME":
            raise RefusalError(f'"{item.path}" is of the lite runtime, which this file is not', item.at)


def _check_names(context: Context) -> None:
    """Check that no other file has the same names, or names packages as this one names other things."""
    main = context.linked.main
    for table in context.linked.others():
        context.linked.steps.take(min(len(main.symbols), len(table.symbols)))
        for name in main.symbols.keys() & table.symbols.keys():
            at = main.symbols[name].element.at
            raise RefusalError(f'"{name}" is already defined in file "{table.path}"', at)
        for name in main.packages & table.symbols.keys():
            raise RefusalError(f'"{name}" is defined in file "{table.path}", and not as a package', main.file.at)
        for name in table.packages & main.symbols.keys():
            at = main.symbols[name].element.at
            raise RefusalError(f'"{name}" is a package in file "{table.path}"', at)


def _check_service(context: Context, service: e.Service, outer: Features) -> None:
    features = refined(outer, service.options)
    scope = f"{context.file.package}.{service.name}" if context.file.package else service.name
    check_title(service.name, "service", features, service.at)
    context.check_options(service.options, "ServiceOptions", context.file.package)
    for rpc in service.rpcs:
        check_title(rpc.name, "method", refined(features, rpc.options), rpc.at)
        context.check_options(rpc.options, "MethodOptions", scope)
        for name in (rpc.request, rpc.response):
            if context.resolve(name, scope, rpc.at, types=False).kind != "message":
                raise RefusalError(f'"{name}" is not a message', rpc.at)
