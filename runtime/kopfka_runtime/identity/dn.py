"""The subject of a certificate as Java writes it: RFC 2253, which is what ACLs and mapping rules are written for.

Reads the little of DER that a name is made of; everything else about certificates is OpenSSL's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

# the attributes RFC 2253 has keywords for; any other is written by its number, with its value in hexadecimal
_KEYWORDS: Final = {
    "2.5.4.3": "CN",
    "2.5.4.7": "L",
    "2.5.4.8": "ST",
    "2.5.4.10": "O",
    "2.5.4.11": "OU",
    "2.5.4.6": "C",
    "2.5.4.9": "STREET",
    "0.9.2342.19200300.100.1.25": "DC",
    "0.9.2342.19200300.100.1.1": "UID",
}
_TEXTS: Final = {12: "utf-8", 19: "ascii", 20: "latin-1", 22: "ascii", 28: "utf-32-be", 30: "utf-16-be", 18: "ascii"}
"""Character sets of DER's kinds of strings, by tag."""
_EXPLICIT_VERSION: Final = 0xA0
_SUBJECT: Final = 5
"""Where the subject stands in a certificate, the optional version counted."""


def subject_name(certificate: bytes) -> str:
    """Return the subject of a certificate in DER, in RFC 2253 form.

    Raises:
        ValueError: these bytes are no certificate.
    """
    try:
        ((_, whole),) = list(_values(certificate))
        _, signed = next(_values(whole))
        fields = list(_values(signed))
        if fields[0][0] != _EXPLICIT_VERSION:
            fields.insert(0, (_EXPLICIT_VERSION, b""))
        return name_text(fields[_SUBJECT][1])
    except (IndexError, StopIteration):
        raise ValueError("this is no certificate") from None


def name_text(name: bytes) -> str:
    """Return a name, given as the content of its SEQUENCE, in RFC 2253 form: the last part first."""
    parts = []
    for _, part in _values(name):
        attributes = []
        for _, attribute in _values(part):
            (_, number), (tag, value) = list(_values(attribute))
            attributes.append(_attribute(_dotted(number), tag, value))
        parts.append("+".join(attributes))
    return ",".join(reversed(parts))


def _attribute(number: str, tag: int, value: bytes) -> str:
    keyword = _KEYWORDS.get(number)
    if keyword is None or tag not in _TEXTS:
        return f"{keyword or number}=#{bytes([tag]).hex()}{_length(len(value)).hex()}{value.hex()}"
    return f"{keyword}={_escaped(value.decode(_TEXTS[tag], 'replace'))}"


def _escaped(text: str) -> str:
    out = "".join(f"\\{char}" if char in ',+"\\<>;' else char for char in text)
    if out.startswith(("#", " ")):
        out = "\\" + out
    return out[:-1] + "\\ " if out.endswith(" ") and not out.endswith("\\ ") else out


def _values(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Give the tag and content of each DER value in `data`."""
    position = 0
    while position < len(data):
        tag, size = data[position], data[position + 1]
        position += 2
        if size & 0x80:
            count = size & 0x7F
            size = int.from_bytes(data[position : position + count], "big")
            position += count
        if position + size > len(data):
            raise IndexError
        yield tag, data[position : position + size]
        position += size


def _length(size: int) -> bytes:
    if size < 0x80:
        return bytes([size])
    digits = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([0x80 | len(digits)]) + digits


def _dotted(number: bytes) -> str:
    arcs, value = [], 0
    for byte in number:
        value = value << 7 | byte & 0x7F
        if not byte & 0x80:
            arcs.append(value)
            value = 0
    first = min(arcs[0] // 40, 2)
    return ".".join(map(str, [first, arcs[0] - 40 * first, *arcs[1:]]))
