"""The parent of every pod process: starts them, reports their ends, and kills them all when `kopfka up` is gone.

It runs as a file of its own (`python -I -S guard.py FD`), imports next to nothing and holds no state worth keeping.
Because it, and not `kopfka up`, forks the processes, there is no moment at which a process exists that nobody would
kill: the end of the socket is the end of every process group, however `kopfka up` ended. Should the guard itself be
killed, Linux ends its children (PR_SET_PDEATHSIG), and `kopfka up` ends their groups on any system.

Messages, either way, are a length of four bytes and JSON; descriptors for the standard output and error of a process
come with its message (SCM_RIGHTS).

    -> {"op": "start", "id": 1, "argv": […], "env": {…}, "cwd": "…"}    -> {"op": "signal", "id": 1, "signal": 15}
    <- {"id": 1, "pid": 123}   <- {"id": 1, "error": "…", "errno": 2}   <- {"id": 1, "exit": 0}   (-9: ended by signal
    9)
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import sys

TYPE_CHECKING = False  # importing `typing` would cost more than all the rest of this file
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

_PDEATHSIG = 1  # PR_SET_PDEATHSIG of <sys/prctl.h>


def main(descriptor: int) -> None:
    """Serve the socket until its other end is closed."""
    link = socket.socket(fileno=descriptor)
    link.set_inheritable(False)
    wake, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    Guard(link, wake).run()


class Guard:
    """The processes by id and by pid, and the link they are ordered and reported on."""

    def __init__(self, link: socket.socket, wake: int) -> None:
        self.link, self.wake = link, wake
        self.pids: dict[int, int] = {}  # by id
        self.ids: dict[int, int] = {}  # by pid
        self.buffer = b""
        self.descriptors: list[int] = []
        self.die_with_parent = _die_with_parent()

    def run(self) -> None:
        """Do as told; at the end of the link kill everything."""
        poller = select.poll()  # select() takes no descriptor above 1023, and who started this may have had that many
        poller.register(self.link.fileno(), select.POLLIN)
        poller.register(self.wake, select.POLLIN)
        try:
            while True:
                ready = {descriptor for descriptor, _ in poller.poll()}
                if self.wake in ready:
                    os.read(self.wake, 4096)
                    self.reap()
                if self.link.fileno() in ready and not self.receive():
                    return
        except (BrokenPipeError, ConnectionError):
            return
        finally:
            # at once, and not with a grace period: the next `kopfka up` needs their ports and folders, and what a
            # process acknowledged is safe from SIGKILL anyway
            for pid in self.ids:
                _kill_group(pid, signal.SIGKILL)

    def receive(self) -> bool:
        """Do what has been ordered; tell whether the link is still there."""
        data, descriptors, _, _ = socket.recv_fds(self.link, 65536, 16)
        for descriptor in descriptors:
            os.set_inheritable(descriptor, False)
        self.descriptors += descriptors
        self.buffer += data
        while len(self.buffer) >= 4:
            end = 4 + int.from_bytes(self.buffer[:4], "big")
            if len(self.buffer) < end:
                break
            message, self.buffer = json.loads(self.buffer[4:end]), self.buffer[end:]
            if message["op"] == "start":
                self.start(message)
            elif message["id"] in self.pids:
                _kill_group(self.pids[message["id"]], message["signal"])
        return bool(data)

    def start(self, message: dict[str, Any]) -> None:
        """Start a process, and report its pid or why there is none."""
        out, err = self.descriptors[:2]
        del self.descriptors[:2]
        report, report_write = os.pipe()  # both end at exec; what is written before it is why there was none
        pid = os.fork()
        if pid == 0:
            try:
                self.become(message, out, err)
            except BaseException as error:  # nothing may return from here
                os.write(report_write, json.dumps([getattr(error, "errno", 0) or 0, str(error)]).encode())
            os._exit(127)
        for descriptor in (report_write, out, err):
            os.close(descriptor)
        refusal = os.read(report, 4096)
        os.close(report)
        if refusal:
            os.waitpid(pid, 0)
            number, text = json.loads(refusal)
            self.send({"id": message["id"], "error": text, "errno": number})
            return
        self.pids[message["id"]], self.ids[pid] = pid, message["id"]
        self.send({"id": message["id"], "pid": pid})

    def become(self, message: dict[str, Any], out: int, err: int) -> NoReturn:
        """Turn this freshly forked process into the one that was ordered."""
        guard = os.getppid()
        os.setsid()
        self.die_with_parent()
        if os.getppid() != guard:
            os._exit(127)
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((nothing, 0), (out, 1), (err, 2)):
            os.dup2(source, target)
        os.chdir(message["cwd"])
        os.execvpe(message["argv"][0], message["argv"], message["env"])

    def reap(self) -> None:
        """Report the processes that ended, and end what they started."""
        while self.ids:
            try:
                # looks without reaping: the pid, and so its group, cannot be another's until the group is ended too
                ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT) if hasattr(os, "waitid") else None
                if ended is not None:
                    _kill_group(ended.si_pid, signal.SIGKILL)
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid in self.ids:
                if not hasattr(os, "waitid"):
                    _kill_group(pid, signal.SIGKILL)
                number = self.ids.pop(pid)
                del self.pids[number]
                self.send({"id": number, "exit": os.waitstatus_to_exitcode(status)})

    def send(self, message: dict[str, Any]) -> None:
        """Report something."""
        data = json.dumps(message).encode()
        self.link.sendall(len(data).to_bytes(4, "big") + data)


def _kill_group(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def _die_with_parent() -> Callable[[], object]:
    if not sys.platform.startswith("linux"):
        return lambda: None
    import ctypes  # noqa: PLC0415 - on Linux only

    prctl = ctypes.CDLL(None).prctl
    return lambda: prctl(_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


if __name__ == "__main__":
    main(int(sys.argv[1]))
