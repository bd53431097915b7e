"""Whether a name can be reached from where this process runs: cluster DNS in a pod, a hosts file under `kopfka up`."""

from __future__ import annotations

import asyncio
import socket

from kopfka_runtime.network import resolve


async def is_known(host: str, port: int) -> bool:
    """Tell whether a host's address is known here."""
    if resolve(host) != host:
        return True
    try:
        await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        return False
    return True
