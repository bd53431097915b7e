"""The users of basic authentication: a file with lines `name: password,role,role`, read again when it changes.

It is the file of Jetty's PropertyFileLoginModule, which Confluent's registry is set up with. A file that cannot be read
changes nothing: the users stay as they were, and the log says so.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from kopfka_registry.security.passwords import Password, read_password
from kopfka_runtime.errors import SettingsError
from kopfka_runtime.settings import parse_properties
from kopfka_runtime.tls.server import file_state

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SETTING: Final = "kopfka.authentication.users.file"
AT_ONCE: Final = 2
"""Slow checks of passwords beside each other: each takes memory and a processor."""
MOST_WAITING: Final = 64
"""Slow checks that wait; whoever comes then is told to come again."""

log = logging.getLogger(__name__)


class BusyError(Exception):
    """Too many passwords are being checked."""


@dataclass(frozen=True, slots=True)
class User:
    """One user."""

    name: str
    password: Password
    roles: frozenset[str]


class Users:
    """The users of one file."""

    def __init__(self, path: Path) -> None:
        """Read it.

        Raises:
            SettingsError: it cannot be read, or a line in it.
        """
        self.path = path
        self.generation = 0
        """Counts the files that were taken: what was found out before may be no longer true."""
        self._state: tuple[str, Any] = file_state(path)
        self._users = read_users(path)
        self._gate = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0
        self._nobody: User | None = None

    def refresh(self) -> None:
        """Take another file, where it has changed."""
        state = file_state(self.path)
        if state == self._state:
            return
        self._state = state
        try:
            self._users = read_users(self.path)
        except SettingsError as error:
            log.error("%s; the users stay as they were", error)
            return
        self.generation += 1
        log.info("%s was read again: %d users", self.path, len(self._users))

    async def find(self, name: str, password: str) -> User | None:
        """Return the user of a name, if this is the password.

        Raises:
            BusyError: too many are being checked.
        """
        user = self._users.get(name)
        if user is not None and not user.password.slow:
            return user if user.password.fits(password) else None
        if user is None and not any(each.password.slow for each in self._users.values()):
            return None
        # for a name nobody has, the same is done, so that nobody learns who there is
        known = user or self._somebody()
        if self._waiting >= MOST_WAITING:
            raise BusyError
        self._waiting += 1
        try:
            async with self._gate:
                fits = await asyncio.to_thread(known.password.fits, password)
        finally:
            self._waiting -= 1
        return user if fits else None

    def _somebody(self) -> User:
        if self._nobody is None:
            slow = next(each for each in self._users.values() if each.password.slow)
            self._nobody = User("", slow.password, frozenset())
        return self._nobody


def read_users(path: Path) -> Mapping[str, User]:
    """Read a users file.

    Raises:
        SettingsError: it cannot be read, or a line in it; no password is in the message.
    """
    try:
        lines = parse_properties(path.read_text("utf-8"))
    except OSError as error:
        raise SettingsError(f"{SETTING}: cannot read {path}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{SETTING}: cannot read {path}: it is not UTF-8") from None
    users = {}
    for name, value in lines.items():
        password, *roles = (each.strip() for each in value.split(","))
        try:
            users[name] = User(name, read_password(password), frozenset(role for role in roles if role))
        except ValueError as error:
            raise SettingsError(f"{path}: user {name}: {error}") from None
    return users
