"""The schema registry over HTTP: one question, one answer, from whichever of its instances answers first.

Knows Confluent's REST API as far as the check needs it; remembers nothing (`answers.py` does). `aiohttp` is imported
with the first question.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from kopfka_broker.schemas.names import Definition, definition
from kopfka_runtime.errors import KopfkaError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import aiohttp

    from kopfka_broker.schemas.settings import Address, RegistrySettings

SECONDS: Final = 5.0
"""How long one instance has for an answer: with a few instances still less than the 30 seconds that producers wait for
theirs (`request.timeout.ms`)."""
_MOST_BYTES: Final = 16 * 1024 * 1024
_LARGE: Final = 64 * 1024  # more than this is read by another thread than the event loop's
_OK: Final = 200
_NOT_FOUND: Final = 404
_NO_PATH: Final = 404
_NO_SUCH_THING: Final = 40400
"""Error codes of the registry: it has no such path, which may be as its address is wrong; and, from the second on, it
knows what is asked for and has none."""
_DEFAULT_CONTEXT: Final = "."
_ACCEPT: Final = "application/vnd.schemaregistry.v1+json, application/json"


class RegistryUnavailableError(KopfkaError):
    """No instance of the registry gave an answer that can be used; nothing is known then."""


class Registry:
    """Connections to all instances. To be used on one event loop."""

    def __init__(self, settings: RegistrySettings, seconds: float = SECONDS) -> None:
        self._settings = settings
        self._seconds = seconds
        self._first = 0  # the instance that answered last
        self._session: aiohttp.ClientSession | None = None
        self._asking = 0
        self._closed = False

    async def ids_of(self, guid: bytes) -> tuple[int, ...]:
        """Return the ids that a GUID has in the default context.

        Raises:
            RegistryUnavailableError: as of all questions here.
        """
        # registries of before GUIDs (Confluent 7) have no such path, and no schema that is called so
        found = await self._get(f"/schemas/guids/{UUID(bytes=guid)}/ids", absent=_NO_PATH)
        with _expected():
            return tuple(
                int(each["id"]) for each in found or () if (each.get("context") or _DEFAULT_CONTEXT) == _DEFAULT_CONTEXT
            )

    async def definition_of(self, schema_id: int) -> Definition | None:
        """Return what the schema with this id says of its record's name, None where there is no such schema."""
        found = await self._get(f"/schemas/ids/{schema_id}")
        if found is None:
            return None
        with _expected():
            kind, text = str(found.get("schemaType") or "AVRO"), str(found["schema"])
        if len(text) > _LARGE:
            return await asyncio.to_thread(definition, kind, text)
        return definition(kind, text)

    async def subjects_of(self, schema_id: int) -> frozenset[str]:
        """Return the subjects under which a schema is registered, and not deleted."""
        found = await self._get(f"/schemas/ids/{schema_id}/versions")
        with _expected():
            return frozenset(str(each["subject"]) for each in found or ())

    async def alias_of(self, subject: str) -> str | None:
        """Return the subject that `subject` is another name of, if it is."""
        from urllib.parse import quote  # noqa: PLC0415 - asked only before a record is refused

        found = await self._get(f"/config/{quote(subject, safe='')}")
        with _expected():
            return (found or {}).get("alias") or None

    async def close(self) -> None:
        """Give the connections up; whoever waits for an answer is told that there is none."""
        self._closed = True
        await self._drop()

    async def _get(self, path: str, absent: int = _NO_SUCH_THING) -> Any:
        """Return what the registry answers, None where it says with a code from `absent` on that there is none."""
        if not self._settings.addresses:
            raise RegistryUnavailableError(
                "there is none: set confluent.schema.registry.url in the configuration of the broker"
            )
        addresses, reasons = self._settings.addresses, []
        for step in range(len(addresses)):
            index = (self._first + step) % len(addresses)
            if self._closed:
                raise RegistryUnavailableError("the broker is shutting down")
            try:
                self._asking += 1
                found = await self._get_from(addresses[index], path, absent)
            except RegistryUnavailableError as error:
                reasons.append(f"{addresses[index].url}: {error}")
            else:
                self._first = index
                return found
            finally:
                self._asking -= 1
        if self._settings.tls is not None and not self._asking:
            await self._drop()  # certificates may be new by the next time
        raise RegistryUnavailableError("; ".join(reasons))

    async def _get_from(self, address: Address, path: str, absent: int) -> Any:
        import aiohttp  # noqa: PLC0415 - who checks nothing does not pay for it

        headers = {"Accept": _ACCEPT}
        if address.authorization:
            headers["Authorization"] = address.authorization
        try:
            session = await self._connected()
            async with session.get(address.url + path, headers=headers, allow_redirects=False) as answer:
                body = await _read(answer)
                return await _parsed(answer.status, body, absent)
        except TimeoutError:
            raise RegistryUnavailableError(f"no answer within {self._seconds:g} s") from None
        except (aiohttp.ClientError, OSError, KopfkaError) as error:
            raise RegistryUnavailableError(str(error) or type(error).__name__) from None
        except RuntimeError as error:  # aiohttp's word for a session that was closed meanwhile
            raise RegistryUnavailableError(str(error)) from None

    async def _connected(self) -> aiohttp.ClientSession:
        import aiohttp  # noqa: PLC0415

        tls = self._settings.tls
        if self._session is None:
            context = await asyncio.to_thread(tls.context) if tls is not None else True
            if self._session is None:  # nobody else was quicker
                self._session = aiohttp.ClientSession(
                    connector=aiohttp.TCPConnector(ssl=context, limit=0),
                    timeout=aiohttp.ClientTimeout(total=self._seconds),
                    cookie_jar=aiohttp.DummyCookieJar(),
                )
        return self._session

    async def _drop(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()


@contextlib.contextmanager
def _expected() -> Iterator[None]:
    """Turn content that no registry sends into the error for an answer that cannot be used."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RegistryUnavailableError(f"an answer as no schema registry gives it ({error!r})") from None


async def _read(answer: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for piece in answer.content.iter_any():
        body += piece
        if len(body) > _MOST_BYTES:
            raise RegistryUnavailableError(f"an answer of more than {_MOST_BYTES} bytes")
    return bytes(body)


async def _parsed(status: int, body: bytes, absent: int) -> Any:
    """Return the content of an answer, None where the registry itself says that there is nothing."""
    try:
        content = await asyncio.to_thread(json.loads, body) if len(body) > _LARGE else json.loads(body)
    except (ValueError, RecursionError):
        content = None
    if status == _OK and content is not None:
        return content
    code, message = (content.get("error_code"), content.get("message")) if isinstance(content, dict) else (None, None)
    # what stands before a registry, or in its place, answers 404 too: only the registry's own word is taken
    if status == _NOT_FOUND and isinstance(code, int) and code >= absent:
        return None
    raise RegistryUnavailableError(f"HTTP status {status}{f', {message}' if message else ''}")
