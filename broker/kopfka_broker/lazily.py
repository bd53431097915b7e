"""Parts of the broker that are imported and made when they are first asked for.

Who does not use a feature then pays neither memory nor time at the start for it. A part is named by its module and
class; `tests/broker/test_lazily.py` makes every one of them, and looks that a broker without work has made none.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kopfka_wire.apis import ApiKey

T = TypeVar("T")


class Lazy(Generic[T]):
    """One part: call it to have it."""

    __slots__ = ("_arguments", "_module", "_name", "made")

    def __init__(self, module: str, name: str, *arguments: object) -> None:
        """`arguments` are those the class is called with."""
        self._module = module
        self._name = name
        self._arguments = arguments
        self.made: T | None = None
        """The part, None as long as nobody has asked for it."""

    def __call__(self) -> T:
        """Return the part; the first call imports and makes it."""
        if self.made is None:
            self.made = getattr(import_module(self._module), self._name)(*self._arguments)
        return self.made


class LazyHandler:
    """A handler, raw or not, that is a method of a lazy part."""

    __slots__ = ("_method", "_part")

    def __init__(self, part: Callable[[], Any], method: str) -> None:
        self._part = part
        self._method = method

    def __call__(self, *request: Any) -> Any:
        """Have the request handled."""
        return self.handler(*request)

    @property
    def handler(self) -> Any:
        """The handler itself."""
        return getattr(self._part(), self._method)


def lazy_handlers(part: Callable[[], Any], methods: Mapping[ApiKey, str]) -> dict[int, Any]:
    """Return the handler of each API key, given the name of its method."""
    return {key: LazyHandler(part, method) for key, method in methods.items()}
