"""The TLS context of a client, made anew when the files it was made of change: certificates are renewed in place."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from kopfka_runtime.tls.contexts import limit, take_identity, trust
from kopfka_runtime.tls.stores import StoreError, load_identity
from kopfka_wire.client.errors import TlsError

if TYPE_CHECKING:
    from kopfka_wire.client.settings import TlsOptions


class TlsContext:
    """The context of new connections; those that exist keep theirs."""

    def __init__(self, options: TlsOptions) -> None:
        self._options = options
        self._made: ssl.SSLContext | None = None
        self._files: list[object] = []

    def current(self) -> ssl.SSLContext:
        """Return the context for the files as they are. Reads files: to be called in a thread.

        Raises:
            TlsError: a store cannot be read or used.
        """
        files = self._state()
        if self._made is None or files != self._files:
            try:
                self._made = build_context(self._options)
            except StoreError as error:
                raise TlsError(str(error)) from None
            self._files = files
        return self._made

    def _state(self) -> list[object]:
        found: list[object] = []
        for store in (self._options.keystore, self._options.truststore):
            if store is not None and store.location is not None:
                try:
                    state = store.location.stat()
                except OSError as error:
                    found.append(error.errno)
                else:
                    found.append((state.st_mtime_ns, state.st_size, state.st_ino))
        return found


def build_context(options: TlsOptions) -> ssl.SSLContext:
    """Return a context.

    Raises:
        StoreError: a store cannot be read or used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.options |= ssl.OP_NO_COMPRESSION
    limit(context, options.versions, options.suites)
    context.check_hostname = options.check_hostname
    context.verify_mode = ssl.CERT_REQUIRED
    trust(context, options.truststore, ssl.Purpose.SERVER_AUTH)
    if options.keystore is not None:
        take_identity(context, load_identity(options.keystore), options.keystore)
    return context
