"""Asynchronous `fdatasync`, by Linux's asynchronous I/O or on a thread.

On Linux it uses `io_submit` with `IOCB_CMD_FDSYNC` (since Linux 4.18), and the event loop watches an event file for the
result. That needs no thread: a thread that wakes for each sync competes with the loop for the interpreter's lock, which
costs more than the sync. If the kernel lacks the interface or a sandbox forbids it, one thread calls `fdatasync`.

Source: io_submit(2), linux/aio_abi.h.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import platform
import queue
import struct
import sys
import threading
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

Done = Callable[[OSError | None], None]
"""Callback on the loop with the result of a sync."""


class DiskSync(Protocol):
    """Syncs files, one request at a time. The next request may begin after `done` was called."""

    def begin(self, fds: Sequence[int], done: Done) -> None:
        """Sync these open files, then call `done` on the loop with the first error, if any."""
        ...

    def close(self) -> None:
        """Release the resources. No request may be running."""
        ...


DiskSyncMaker = Callable[[asyncio.AbstractEventLoop, int], DiskSync]
"""Factory of a `DiskSync`, from a loop and an open file on the file system."""


def disk_sync(loop: asyncio.AbstractEventLoop, probe: int) -> DiskSync:
    """Return the fastest implementation that works on this file system.

    Args:
        probe: an open file on the file system.
    """
    try:
        return KernelSync(loop, probe)
    except OSError:
        return ThreadSync(loop)


class ThreadSync:
    """Syncs on its own thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._requests: queue.SimpleQueue[tuple[Sequence[int], Done] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._serve, name="disk-sync", daemon=True)
        self._thread.start()

    def begin(self, fds: Sequence[int], done: Done) -> None:
        """As `DiskSync.begin`."""
        self._requests.put((fds, done))

    def close(self) -> None:
        """As `DiskSync.close`."""
        self._requests.put(None)
        self._thread.join()

    def _serve(self) -> None:
        while (request := self._requests.get()) is not None:
            fds, done = request
            error: OSError | None = None
            for fd in fds:
                try:
                    os.fdatasync(fd)
                except OSError as failure:
                    error = error or failure
            with contextlib.suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(done, error)


class _Calls(NamedTuple):
    """The numbers of the system calls."""

    setup: int
    destroy: int
    getevents: int
    submit: int


_CALLS = {"x86_64": _Calls(206, 207, 208, 209), "aarch64": _Calls(0, 1, 4, 2)}
_FDSYNC = 3
_TELL_EVENT_FILE = 1
_REQUEST = struct.Struct("<QIIHhIQQqQII")
_EVENT = struct.Struct("<QQqq")
_AT_ONCE = 16


class KernelSync:
    """Syncs by Linux's asynchronous I/O.

    Raises:
        OSError: the kernel or file system does not support it. Nothing stays open.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, probe: int) -> None:
        calls = _CALLS.get(platform.machine())
        if calls is None or sys.platform != "linux":
            raise OSError("no numbers of system calls are known here")
        self._calls = calls
        self._loop = loop
        self._left = 0
        self._waiting: list[int] = []
        self._error: OSError | None = None
        self._done: Done | None = None
        # The numbers are 64 bits wide; the interpreter's lock is kept, since none of the calls waits.
        self._syscall = ctypes.PyDLL(None, use_errno=True).syscall
        self._syscall.restype = ctypes.c_long
        context = ctypes.c_ulong(0)
        self._call(calls.setup, ctypes.c_long(_AT_ONCE), ctypes.byref(context))
        self._context = context
        self._requests = (ctypes.c_char * (_REQUEST.size * _AT_ONCE))()
        base = ctypes.addressof(self._requests)
        self._places = (ctypes.c_void_p * _AT_ONCE)(*(base + _REQUEST.size * at for at in range(_AT_ONCE)))
        self._events = (ctypes.c_char * (_EVENT.size * _AT_ONCE))()
        self._event_file = os.eventfd(0, os.EFD_CLOEXEC)
        try:
            self._waiting = [probe]
            if self._submit():
                os.eventfd_read(self._event_file)
                self._take()
            if self._error is not None:
                raise self._error
        except OSError:
            self.close()
            raise
        os.set_blocking(self._event_file, False)
        loop.add_reader(self._event_file, self._on_event)

    def begin(self, fds: Sequence[int], done: Done) -> None:
        """As `DiskSync.begin`."""
        self._done, self._error = done, None
        self._waiting = list(fds)
        if not self._submit():
            self._loop.call_soon(self._finish)

    def close(self) -> None:
        """As `DiskSync.close`."""
        self._loop.remove_reader(self._event_file)
        os.close(self._event_file)
        self._call(self._calls.destroy, self._context)

    def _submit(self) -> bool:
        """Submit the next files. Return False if none was accepted; `_error` has the cause."""
        fds, self._waiting = self._waiting[:_AT_ONCE], self._waiting[_AT_ONCE:]
        for at, fd in enumerate(fds):
            # Key, flags, priority, buffer, length and offset mean nothing for a sync.
            fields = (0, 0, 0, _FDSYNC, 0, fd, 0, 0, 0, 0, _TELL_EVENT_FILE, self._event_file)
            _REQUEST.pack_into(self._requests, at * _REQUEST.size, *fields)
        try:
            self._left = self._call(self._calls.submit, self._context, ctypes.c_long(len(fds)), self._places)
        except OSError as error:
            self._error = self._error or error
            return False
        self._waiting = fds[self._left :] + self._waiting  # it stops before what it refuses, and says why next time
        return True

    def _on_event(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._event_file)
        self._take()
        if self._left == 0 and not (self._waiting and self._submit()):
            self._finish()

    def _take(self) -> None:
        """Collect the available results."""
        count = self._call(
            self._calls.getevents, self._context, ctypes.c_long(0), ctypes.c_long(_AT_ONCE), self._events, None
        )
        for at in range(count):
            _, _, result, _ = _EVENT.unpack_from(self._events, at * _EVENT.size)
            if result < 0 and self._error is None:
                self._error = OSError(-result, os.strerror(-result))
        self._left -= count

    def _finish(self) -> None:
        done, self._done = self._done, None
        if done is not None:
            done(self._error)

    def _call(self, number: int, *arguments: object) -> int:
        result: int = self._syscall(ctypes.c_long(number), *arguments)
        if result < 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))
        return result
