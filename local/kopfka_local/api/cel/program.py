"""From a tree to something that runs: names and functions are checked once, macros expanded, errors absorbed where CEL
says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kopfka_local.api.cel import parser
from kopfka_local.api.cel.functions import FREE, METHODS, NAMESPACES
from kopfka_local.api.cel.values import (
    NONE,
    CelError,
    Optional,
    bounded,
    calculate,
    compare,
    equal,
    is_number,
    no_overload,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Environment = dict[str, Any]
    Step = Callable[[Environment], Any]

_MACROS = frozenset({"all", "exists", "exists_one", "existsOne", "map", "filter", "optMap", "optFlatMap"})
_TYPES = ("int", "uint", "double", "bool", "string", "bytes", "list", "map", "null_type", "type")
#: How many steps of loops one evaluation may take before it is given up.
_BUDGET = 200_000
_SPENT = "\0spent"
_ESCAPED = (("__dot__", "."), ("__dash__", "-"), ("__slash__", "/"), ("__underscores__", "__"))


class Program:
    """A checked expression."""

    __slots__ = ("_step", "text", "uses")

    def __init__(self, text: str, step: Step, uses: frozenset[str]) -> None:
        self.text = text
        self._step = step
        #: The variables it reads.
        self.uses = uses

    def evaluate(self, variables: dict[str, Any]) -> Any:
        """Return its value.

        Raises:
            CelError: it has none with these variables.
        """
        try:
            return self._step({**variables, _SPENT: [0]})
        except RecursionError:
            raise CelError("expression recursion limit exceeded") from None


def compile_expression(text: str, variables: Iterable[str]) -> Program:
    """Check an expression that may use `variables`.

    Raises:
        CelError: it is malformed, or uses a name or a function that is not there.
    """
    compiler = _Compiler()
    try:
        step = compiler.compile(parser.parse(text), frozenset(variables))
    except RecursionError:
        raise CelError("expression recursion limit exceeded") from None
    return Program(text, step, frozenset(compiler.used))


class _Compiler:
    def __init__(self) -> None:
        self.used: set[str] = set()

    def compile(self, node: parser.Node, scope: frozenset[str]) -> Step:  # noqa: PLR0911
        match node:
            case parser.Literal(value):
                return lambda _: value
            case parser.Name(name):
                return self._name(name, scope)
            case parser.List(items):
                return _list([self.compile(item, scope) for item in items])
            case parser.Map(entries):
                return _map([(self.compile(key, scope), self.compile(value, scope)) for key, value in entries])
            case parser.Select(target, field, optional):
                return _select(self.compile(target, scope), unescape(field), optional=optional)
            case parser.Index(target, key, optional):
                return _index(self.compile(target, scope), self.compile(key, scope), optional=optional)
            case parser.Call():
                return self._call(node, scope)

    def _name(self, name: str, scope: frozenset[str]) -> Step:
        if name in scope:
            self.used.add(name)
            return lambda environment: environment[name]
        if name in _TYPES:
            from kopfka_local.api.cel.values import Type  # noqa: PLC0415

            return lambda _: Type(name)
        raise CelError(f"undeclared reference to '{name}' (in container '')")

    def _call(self, node: parser.Call, scope: frozenset[str]) -> Step:
        function, arguments = node.function, node.arguments
        if node.target is None:
            if function == "has":
                return self._has(arguments, scope)
            steps = [self.compile(argument, scope) for argument in arguments]
            if function in _OPERATORS:
                return _OPERATORS[function](*steps)
            if function in FREE:
                return _function(FREE[function], function, steps)
            raise CelError(f"undeclared reference to '{function}' (in container '')")
        if isinstance(node.target, parser.Name) and (node.target.name, function) in NAMESPACES:
            called = NAMESPACES[node.target.name, function]
            return _function(called, f"{node.target.name}.{function}", [self.compile(a, scope) for a in arguments])
        if function in _MACROS and len(arguments) >= 2:
            return self._macro(node, scope)
        if function not in METHODS:
            raise CelError(f"undeclared reference to '{function}' (in container '')")
        steps = [self.compile(argument, scope) for argument in (node.target, *arguments)]
        return _function(METHODS[function], function, steps)

    def _has(self, arguments: tuple[parser.Node, ...], scope: frozenset[str]) -> Step:
        if len(arguments) != 1 or not isinstance(arguments[0], parser.Select):
            raise CelError("invalid argument to has() macro")
        target, field = self.compile(arguments[0].target, scope), unescape(arguments[0].field)

        def has(environment: Environment) -> bool:
            value = target(environment)
            if isinstance(value, Optional):
                value = value.value if value.present else {}
            if not isinstance(value, dict):
                raise CelError(f"no such key: {field}")
            return field in value

        return has

    def _macro(self, node: parser.Call, scope: frozenset[str]) -> Step:
        assert node.target is not None
        variable, *rest = node.arguments
        if not isinstance(variable, parser.Name) or len(rest) > (2 if node.function == "map" else 1):
            raise CelError(f"argument of {node.function}() must be a simple name")
        over = self.compile(node.target, scope)
        inner = [self.compile(argument, scope | {variable.name}) for argument in rest]
        if node.function in ("optMap", "optFlatMap"):
            return _optional_map(over, variable.name, inner[0], flat=node.function == "optFlatMap")
        if node.function in ("all", "exists"):
            return _quantifier(over, variable.name, inner[0], until=node.function == "exists")
        if node.function in ("exists_one", "existsOne"):
            return _exists_one(over, variable.name, inner[0])
        if node.function == "filter":
            return _comprehension(over, variable.name, inner[0], lambda environment: environment[variable.name])
        if len(inner) == 2:
            return _comprehension(over, variable.name, inner[0], inner[1])
        return _comprehension(over, variable.name, None, inner[0])


def unescape(field: str) -> str:
    """Return the property that a field name of a rule stands for (`a__dash__b` is `a-b`)."""
    if not field.startswith("__") and "__" not in field:
        return field
    if field.startswith("__") and field.endswith("__") and field not in dict(_ESCAPED):
        return field.strip("_")
    for escaped, plain in _ESCAPED:
        field = field.replace(escaped, plain)
    return field


def _function(called: Callable[..., Any], name: str, steps: list[Step]) -> Step:
    def run(environment: Environment) -> Any:
        values = [step(environment) for step in steps]
        try:
            return called(*values)
        except (TypeError, AttributeError):
            raise no_overload(name, *values) from None
        except (ValueError, OverflowError, ArithmeticError) as error:
            raise CelError(str(error)) from None

    return run


def _list(steps: list[Step]) -> Step:
    return lambda environment: [step(environment) for step in steps]


def _map(entries: list[tuple[Step, Step]]) -> Step:
    def build(environment: Environment) -> dict[Any, Any]:
        result: dict[Any, Any] = {}
        for key, value in entries:
            name = key(environment)
            if not isinstance(name, (str, int, bool)):
                raise CelError("unsupported key type")
            if name in result:
                raise CelError(f"Failed with repeated key: {name}")
            result[name] = value(environment)
        return result

    return build


def _select(target: Step, field: str, *, optional: bool) -> Step:
    def select(environment: Environment) -> Any:
        value = target(environment)
        wrapped = optional or isinstance(value, Optional)
        if isinstance(value, Optional):
            if not value.present:
                return NONE
            value = value.value
        if not isinstance(value, dict):
            raise no_overload(f"select {field}", value)
        if field in value:
            return Optional(present=True, value=value[field]) if wrapped else value[field]
        if wrapped:
            return NONE
        raise CelError(f"no such key: {field}")

    return select


def _index(target: Step, key: Step, *, optional: bool) -> Step:
    def index(environment: Environment) -> Any:
        value, place = target(environment), key(environment)
        wrapped = optional or isinstance(value, Optional)
        if isinstance(value, Optional):
            if not value.present:
                return NONE
            value = value.value
        try:
            found = _at(value, place)
        except CelError:
            if wrapped:
                return NONE
            raise
        return Optional(present=True, value=found) if wrapped else found

    return index


def _at(value: Any, place: Any) -> Any:
    if isinstance(value, dict):
        if isinstance(place, (str, int, float)) and place in value:
            return value[place]
        raise CelError(f"no such key: {place}")
    if isinstance(value, list) and is_number(place) and place == int(place):
        if 0 <= place < len(value):
            return value[int(place)]
        raise CelError(f"index out of bounds: {place}")
    raise no_overload("_[_]", value, place)


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise no_overload("bool", value)


def _logical(left: Step, right: Step, *, until: bool) -> Step:
    """`||` (until True) and `&&` (until False): one side that decides makes an error of the other irrelevant."""

    def run(environment: Environment) -> bool:
        failure: CelError | None = None
        try:
            if _boolean(left(environment)) is until:
                return until
        except CelError as error:
            failure = error
        if _boolean(right(environment)) is until:
            return until
        if failure is not None:
            raise failure
        return not until

    return run


def _conditional(condition: Step, yes: Step, no: Step) -> Step:
    return lambda environment: yes(environment) if _boolean(condition(environment)) else no(environment)


def _contains(item: Step, container: Step) -> Step:
    def run(environment: Environment) -> bool:
        value, found = item(environment), container(environment)
        if isinstance(found, list):
            return any(equal(value, each) for each in found)
        if isinstance(found, dict):
            return isinstance(value, (str, int, float)) and value in found
        raise no_overload("@in", value, found)

    return run


def _negate(operand: Step) -> Step:
    def run(environment: Environment) -> Any:
        value = operand(environment)
        if not is_number(value) or type(value) not in (int, float):
            raise no_overload("-_", value)
        return -value if isinstance(value, float) else bounded(-value, unsigned=False)

    return run


def _operator(name: str, function: Callable[[str, Any, Any], Any]) -> Callable[[Step, Step], Step]:
    return lambda left, right: lambda environment: function(name, left(environment), right(environment))


_OPERATORS: dict[str, Callable[..., Step]] = {
    "||": lambda left, right: _logical(left, right, until=True),
    "&&": lambda left, right: _logical(left, right, until=False),
    "!": lambda operand: lambda environment: not _boolean(operand(environment)),
    "?:": _conditional,
    "in": _contains,
    "neg": _negate,
    "==": lambda left, right: lambda environment: equal(left(environment), right(environment)),
    "!=": lambda left, right: lambda environment: not equal(left(environment), right(environment)),
    **{name: _operator(name, compare) for name in ("<", "<=", ">", ">=")},
    **{name: _operator(name, calculate) for name in ("+", "-", "*", "/", "%")},
}


def _each(over: Step, environment: Environment) -> list[Any]:
    values = over(environment)
    if not isinstance(values, (list, dict)):
        raise no_overload("iterate", values)
    environment[_SPENT][0] += len(values) + 1
    if environment[_SPENT][0] > _BUDGET:
        raise CelError("operation cancelled: actual cost limit exceeded")
    return list(values)


def _quantifier(over: Step, variable: str, condition: Step, *, until: bool) -> Step:
    def run(environment: Environment) -> bool:
        failure: CelError | None = None
        for value in _each(over, environment):
            try:
                if _boolean(condition({**environment, variable: value})) is until:
                    return until
            except CelError as error:
                failure = error
        if failure is not None:
            raise failure
        return not until

    return run


def _exists_one(over: Step, variable: str, condition: Step) -> Step:
    return lambda environment: (
        sum(_boolean(condition({**environment, variable: value})) for value in _each(over, environment)) == 1
    )


def _comprehension(over: Step, variable: str, condition: Step | None, result: Step) -> Step:
    def run(environment: Environment) -> list[Any]:
        found = []
        for value in _each(over, environment):
            inner = {**environment, variable: value}
            if condition is None or _boolean(condition(inner)):
                found.append(result(inner))
        return found

    return run


def _optional_map(over: Step, variable: str, result: Step, *, flat: bool) -> Step:
    def run(environment: Environment) -> Optional:
        value = over(environment)
        if not isinstance(value, Optional):
            raise no_overload("optMap", value)
        if not value.present:
            return NONE
        found = result({**environment, variable: value.value})
        if not flat:
            return Optional(present=True, value=found)
        if not isinstance(found, Optional):
            raise no_overload("optFlatMap", found)
        return found

    return run
