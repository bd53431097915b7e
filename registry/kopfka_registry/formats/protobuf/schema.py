"""A Protobuf schema that was read, and the language itself: the two objects the registry sees."""

from __future__ import annotations

import base64
import binascii
import functools
import re
from typing import TYPE_CHECKING, Final

from kopfka_registry.errors import InvalidSchemaError, SchemaTooComplexError
from kopfka_registry.formats.contract import LARGEST_TEXT
from kopfka_registry.formats.protobuf.checks import check
from kopfka_registry.formats.protobuf.compare import changes, incompatible_changes
from kopfka_registry.formats.protobuf.custom import custom_options
from kopfka_registry.formats.protobuf.decoded import elements_of, has_custom_options, read_descriptor
from kopfka_registry.formats.protobuf.descriptors import describe
from kopfka_registry.formats.protobuf.loading import link, load
from kopfka_registry.formats.protobuf.normal import normalized_file
from kopfka_registry.formats.protobuf.reader import read_file
from kopfka_registry.formats.protobuf.refusal import RefusalError, Steps, placed
from kopfka_registry.formats.protobuf.tags import inline_tags
from kopfka_registry.formats.protobuf.writer import write_file

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kopfka_registry.formats.contract import Difference
    from kopfka_registry.formats.protobuf.elements import File, Option
    from kopfka_registry.formats.protobuf.symbols import Linked

_BASE64: Final = re.compile(r"[A-Za-z0-9+/\s]*+={0,2}\s*+")
_SHORT: Final = 20_000
"""Characters of an imported file that is kept for the next schema that imports it."""
_DEFAULT_NAME: Final = "default"
"""What a described file is called, as in Confluent's registry."""


class ProtobufSchema:
    """A schema with the files it imports."""

    __slots__ = ("_canonical", "_file", "_files")

    def __init__(self, file: File, files: Mapping[str, File], canonical: str | None = None) -> None:
        self._file = file
        self._files = files
        self._canonical = canonical

    @property
    def canonical(self) -> str:
        """The text that is stored and answered; equal texts are the same schema."""
        if self._canonical is None:
            self._canonical = write_file(self._file)
        return self._canonical

    @property
    def name(self) -> str | None:
        """Full name of the first message, or else of the first enum."""
        names = [message.name for message in self._file.messages] or [enum.name for enum in self._file.enums]
        if not names:
            return None
        return f"{self._file.package}.{names[0]}" if self._file.package else names[0]

    def normalized(self) -> ProtobufSchema:
        """Return the same schema in the one form that all spellings of it share (`normalize=true`)."""
        file = normalized_file(self._linked())
        return ProtobufSchema(file, self._files, write_file(file, in_order=True))

    def formatted(self, form: str) -> str:
        """Return the text in a form of the API's parameter `format`: `serialized`, `ignore_extensions`, `default`."""
        match form:
            case "serialized":
                described = describe(self._linked(), _DEFAULT_NAME)
                return base64.b64encode(described.SerializeToString(deterministic=True)).decode("ascii")
            case "ignore_extensions":
                return write_file(self._file, _is_not_custom, extensions=False)
        return self.canonical

    def check_defaults(self) -> None:
        """Let all pass: those that do not fit were refused when the text was read."""

    def inline_tags(self) -> dict[str, set[str]]:
        """Return the tags that the text gives to fields, messages and enums, by their paths."""
        return inline_tags(self._file)

    def differences(self, writer: ProtobufSchema) -> list[Difference]:
        """Return why this schema, as the reader, cannot read all that `writer` wrote; empty where it can.

        Raises:
            SchemaTooComplexError: comparing the two would take too long.
        """
        steps = Steps()
        return [*incompatible_changes(writer._linked(steps), self._linked(steps), steps)]

    def changes(self, writer: ProtobufSchema) -> list[Difference]:
        """Return all that changed from `writer` to this schema, compatible or not."""
        steps = Steps()
        return [*changes(writer._linked(steps), self._linked(steps), steps)]

    def _linked(self, steps: Steps | None = None) -> Linked:
        return link(self._file, self._files, steps or Steps())


class ProtobufFormat:
    """The language."""

    __slots__ = ()

    name = "PROTOBUF"

    def parse(self, text: str, references: Mapping[str, str]) -> ProtobufSchema:
        """Read a schema: a `.proto` text, or the bytes of a `FileDescriptorProto` in base64.

        Raises:
            InvalidSchemaError: it is none; in one line, with the place.
            SchemaTooComplexError: it is larger or deeper than what is worked on.
        """
        if len(text) > LARGEST_TEXT:
            raise SchemaTooComplexError(f"the schema is longer than {LARGEST_TEXT} characters")
        steps = Steps()
        written = text
        try:
            if text.strip() and _BASE64.fullmatch(text):
                written = _text_of_descriptor(text, references, steps)
            file = read_file(written, steps)
            files = load(file, references, lambda other: _read(other, references, steps), steps)
            check(link(file, files, steps))
            schema = ProtobufSchema(file, files)
            # written once, so that what is too long in its canonical form is refused here
            schema.canonical  # noqa: B018
        except RefusalError as error:
            raise InvalidSchemaError(placed(str(error), written, error.at)) from None
        except RecursionError:
            raise SchemaTooComplexError("the schema is nested too deeply") from None
        return schema


def _read(text: str, references: Mapping[str, str], steps: Steps) -> File:
    """Read a file that is imported."""
    if _BASE64.fullmatch(text):
        return read_file(_text_of_descriptor(text, references, steps), steps)
    if len(text) > _SHORT:
        return read_file(text, steps)
    steps.take(len(text) // 16)
    return _short_file(text)


@functools.lru_cache(maxsize=128)
def _short_file(text: str) -> File:
    """Read a file that is imported by many, perhaps: it is kept once for all of them."""
    return read_file(text, Steps())


def _text_of_descriptor(text: str, references: Mapping[str, str], steps: Steps) -> str:
    """Return the text of what is described in base64. It has to be read like any text: names may be anything."""
    try:
        content = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise RefusalError("the text is neither a Protobuf file nor a descriptor in base64") from None
    described = read_descriptor(content)
    file = elements_of(described, steps)
    if has_custom_options(described):
        # what is unknown in the options may be what the imported files declare
        files = load(file, references, lambda other: _read(other, {}, steps), steps, tolerant=True)
        file = elements_of(described, steps, custom_options(link(file, files, steps)))
    return write_file(file)


def _is_not_custom(option: Option) -> bool:
    """Tell whether an option stays in `ignore_extensions`: custom ones go, but for Confluent's own."""
    return not option.name.startswith("(") or option.name.lstrip("(.").startswith("confluent.")
