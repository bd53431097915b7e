"""From tokens to a tree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kopfka_local.api.cel.lexer import Token, tokens
from kopfka_local.api.cel.values import CelError

_DEEPEST = 120


@dataclass(frozen=True, slots=True)
class Literal:
    """A constant."""

    value: Any


@dataclass(frozen=True, slots=True)
class Name:
    """A variable."""

    name: str


@dataclass(frozen=True, slots=True)
class Select:
    """`target.field`, or with `optional` `target.?field`."""

    target: Node
    field: str
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Index:
    """`target[key]`, or with `optional` `target[?key]`."""

    target: Node
    key: Node
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """`function(arguments)`, or `target.function(arguments)`; operators are calls too."""

    function: str
    target: Node | None
    arguments: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class List:
    """`[a, b]`."""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Map:
    """`{k: v}`."""

    entries: tuple[tuple[Node, Node], ...]


Node = Literal | Name | Select | Index | Call | List | Map

_BINARY = ({"||"}, {"&&"}, {"<", "<=", ">", ">=", "==", "!=", "in"}, {"+", "-"}, {"*", "/", "%"})
_RESERVED = frozenset({
    "as", "break", "const", "continue", "else", "for", "function", "if", "import", "let", "loop", "package",
    "namespace",
    "return", "var", "void", "while",
})  # fmt: skip


def parse(text: str) -> Node:
    """Return the tree of an expression.

    Raises:
        CelError: it is malformed.
    """
    parser = _Parser(tokens(text))
    tree = parser.expression()
    parser.expect("end")
    return tree


class _Parser:
    def __init__(self, found: list[Token]) -> None:
        self._tokens = found
        self._position = 0
        self._depth = 0

    @property
    def _next(self) -> Token:
        return self._tokens[self._position]

    def _take(self) -> Token:
        token = self._next
        self._position += 1
        return token

    def _accept(self, *marks: str) -> bool:
        if self._next.kind == "mark" and self._next.text in marks:
            self._position += 1
            return True
        return False

    def expect(self, what: str) -> None:
        if self._next.kind == what == "end" or self._accept(what):
            return
        raise self._unexpected("" if what == "end" else f" expecting '{what}'")

    def _unexpected(self, expecting: str = "") -> CelError:
        token = self._next
        return CelError(f"Syntax error: mismatched input '{token.text}'{expecting} (column {token.column})")

    def expression(self) -> Node:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise CelError("expression recursion limit exceeded")
        condition = self._binary(0)
        if self._accept("?"):
            yes = self._binary(0)
            self.expect(":")
            condition = Call("?:", None, (condition, yes, self.expression()))
        self._depth -= 1
        return condition

    def _binary(self, level: int) -> Node:
        if level == len(_BINARY):
            return self._unary()
        left = self._binary(level + 1)
        while self._next.text in _BINARY[level] and self._next.kind != "literal":
            operator = self._take().text
            left = Call(operator, None, (left, self._binary(level + 1)))
        return left

    def _unary(self) -> Node:
        for operator, name in (("!", "!"), ("-", "neg")):
            count = 0
            while self._accept(operator):
                count += 1
            if count:
                if name == "neg" and self._next.kind == "literal" and type(self._next.value) in (int, float):
                    self._tokens[self._position] = Token("literal", "-", self._next.column, -self._next.value)
                    count -= 1
                operand = self._member(self._primary())
                for _ in range(count):
                    operand = Call(name, None, (operand,))
                return operand
        return self._member(self._primary())

    def _member(self, target: Node) -> Node:
        while True:
            if self._accept("."):
                optional = self._accept("?")
                token = self._take()
                if token.kind != "name":
                    self._position -= 1
                    raise self._unexpected(" expecting a field")
                if not optional and self._accept("("):
                    target = Call(token.text, target, self._arguments(")"))
                else:
                    target = Select(target, token.text, optional)
            elif self._accept("["):
                optional = self._accept("?")
                target = Index(target, self.expression(), optional)
                self.expect("]")
            else:
                return target

    def _arguments(self, end: str) -> tuple[Node, ...]:
        found: list[Node] = []
        while not self._accept(end):
            found.append(self.expression())
            if not self._accept(","):
                self.expect(end)
                break
        return tuple(found)

    def _primary(self) -> Node:
        if self._accept("("):
            inner = self.expression()
            self.expect(")")
            return inner
        if self._accept("["):
            return List(self._arguments("]"))
        if self._accept("{"):
            return self._map()
        self._accept(".")
        token = self._next
        if token.kind == "literal":
            self._position += 1
            return Literal(token.value)
        if token.kind != "name" or token.text == "in":
            raise self._unexpected()
        self._position += 1
        if token.text in _RESERVED:
            raise CelError(f"Syntax error: reserved identifier: {token.text} (column {token.column})")
        if self._accept("("):
            return Call(token.text, None, self._arguments(")"))
        return Name(token.text)

    def _map(self) -> Node:
        entries: list[tuple[Node, Node]] = []
        while not self._accept("}"):
            key = self.expression()
            self.expect(":")
            entries.append((key, self.expression()))
            if not self._accept(","):
                self.expect("}")
                break
        return Map(tuple(entries))
