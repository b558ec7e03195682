# SPDX-License-Identifier: Apache-2.0
"""One connection to the local socket: frames out, and each answer to whoever asked.

There is no thread that reads. Whoever waits for an answer reads, one at a time: an answer that is another's is put
aside for it. So a program with one thread has no switch of threads in its way.
"""
import select
import socket
import threading
import time
from collections import deque
from typing import Callable, Deque, Dict, Optional, Sequence

from inferd import _frames as frames
from inferd._errors import Code, Error


class NotSent(Error):
    """The daemon has gone, and has not seen what was to be sent."""


class Pending:
    """A request that may have no answer yet."""

    def __init__(self, kind: int, number: int, release: Optional[Callable[[], None]]) -> None:
        self.kind = kind
        self.number = number
        self.answer: Optional[frames.Answer] = None
        self.failure: Optional[Error] = None
        self.release = release

    @property
    def done(self) -> bool:
        return self.answer is not None or self.failure is not None


class Connection:
    """UNAVAILABLE: nobody answers at `path`, or the daemon has gone; `is_open` is False from then on."""

    def __init__(self, path: str, deadline: float) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            self._socket.connect(path)
        except OSError as error:
            self._socket.close()
            raise Error(Code.UNAVAILABLE, f"no daemon answers at '{path}': {error.strerror}") from None
        self._socket.setblocking(False)
        self._changed = threading.Condition()
        self._pending: Dict[int, Pending] = {}  # by _changed, as all that follows
        self._next = 1
        self._reading = False
        self._broken: Optional[Error] = None
        self._sending = threading.Lock()
        self._path = path
        self.results: Deque[frames.Answer] = deque()  # what came of WATCH
        try:
            self.limits = self.call(frames.Type.HELLO, frames.hello(), deadline).limits()
        except Error:
            self.close()
            raise
        self.room = threading.BoundedSemaphore(self.limits.max_in_flight)

    @property
    def is_open(self) -> bool:
        return self._broken is None

    def call(self, kind: int, body: bytes, deadline: float, fds: Sequence[int] = ()) -> frames.Answer:
        """Sends and waits; an answer that is an error is raised."""
        return self.wait(self.send(kind, body, deadline, fds), deadline)

    def send(self, kind: int, body: bytes, deadline: float, fds: Sequence[int] = (),
             release: Optional[Callable[[], None]] = None) -> Pending:
        """`release` is called once: when the answer has come or never will, also where this raises."""
        with self._changed:
            pending = Pending(kind, self._next, release)
            self._next += 1
            broken = self._broken
            if broken is None:
                self._pending[pending.number] = pending
        try:
            if broken is not None:
                raise NotSent(broken.code, broken.message)
            self._write(frames.frame(kind, pending.number, body), fds, deadline)
        except Error:
            with self._changed:
                kept = self._pending.pop(pending.number, None)
            # When writing found that the daemon has gone, this was released with all others.
            if release is not None and (kept is not None or broken is not None):
                release()
            raise
        return pending

    def wait(self, pending: Pending, deadline: float) -> frames.Answer:
        """DEADLINE_EXCEEDED: no answer until `deadline` (time.monotonic()); a late one is still taken care of."""
        while True:
            with self._changed:
                while self._reading and not pending.done:
                    if not self._changed.wait(max(0.0, deadline - time.monotonic())) and not pending.done:
                        raise self._too_late(pending)
                if pending.done:
                    break
                self._reading = True
            try:
                in_time = self._read(deadline)
            finally:
                with self._changed:
                    self._reading = False
                    self._changed.notify_all()
            if not in_time and not pending.done:
                raise self._too_late(pending)
        if pending.answer is None:
            raise pending.failure or frames.lost("it did not come")
        error = pending.answer.error()
        if error is not None:
            raise error
        return pending.answer

    def wait_for_frame(self, deadline: float) -> bool:
        """Takes one, whatever it is. False: none came in time. For connections that one thread uses."""
        came = self._read(deadline)
        if self._broken is not None:
            raise self._broken
        return came

    def take_late_answers(self) -> None:
        """Looks for answers that nobody waits for any more."""
        with self._changed:
            if self._reading or not self._pending:
                return
            self._reading = True
        try:
            while self._read(0.0):
                pass
        finally:
            with self._changed:
                self._reading = False
                self._changed.notify_all()

    def close(self) -> None:
        self._break(Error(Code.CANCELLED, "the client was closed"))

    def _too_late(self, pending: Pending) -> Error:
        if pending.kind == frames.Type.INFER:
            try:
                self._write(frames.frame(frames.Type.CANCEL, pending.number), (), time.monotonic() + 1)
            except Error:
                pass  # gone: nothing left to cancel
        return Error(Code.DEADLINE_EXCEEDED, "the daemon did not answer in time")

    def _write(self, data: bytes, fds: Sequence[int], deadline: float) -> None:
        with self._sending:
            while True:
                try:
                    if fds:
                        socket.send_fds(self._socket, [data], list(fds))
                    else:
                        self._socket.send(data)
                    return
                except BlockingIOError:
                    if not self._ready(select.POLLOUT, deadline):
                        raise Error(Code.DEADLINE_EXCEEDED, "the daemon takes no more frames") from None
                except OSError as error:
                    reason = self._break(self._gone(str(error)))
                    raise NotSent(reason.code, reason.message) from None

    def _read(self, deadline: float) -> bool:
        """Takes one frame. False: none came until `deadline`, or none will."""
        if not self.is_open or not self._ready(select.POLLIN, deadline):
            return False
        try:
            data = self._socket.recv(frames.MAX_FRAME + 1)
        except BlockingIOError:
            return True
        except OSError as error:
            self._break(self._gone(str(error)))
            return False
        if not data:
            self._break(self._gone("it closed the connection"))
            return False
        try:
            self._deliver(frames.Answer(data))
        except Error as error:
            self._break(error)
        return self.is_open

    def _deliver(self, answer: frames.Answer) -> None:
        if answer.type == frames.VIOLATION:
            raise answer.error() or frames.lost("it ended the connection")
        if answer.type == frames.Type.RESULT:
            self.results.append(answer)
            return
        with self._changed:
            pending = self._pending.get(answer.number)
            if pending is None or answer.type != pending.kind + frames.ANSWER:
                raise frames.lost(f"an answer of type {answer.type:#x} to nothing that was asked")
            del self._pending[answer.number]
            pending.answer = answer
        if pending.release is not None:
            pending.release()

    def _ready(self, event: int, deadline: float) -> bool:
        poll = select.poll()
        try:
            poll.register(self._socket, event)
        except ValueError:  # closed meanwhile
            return False
        left = deadline - time.monotonic()
        return bool(poll.poll(max(0, left * 1000)))

    def _gone(self, why: str) -> Error:
        return Error(Code.UNAVAILABLE, f"the daemon at '{self._path}' has gone: {why}")

    def _break(self, reason: Error) -> Error:
        with self._changed:
            if self._broken is not None:
                return self._broken
            self._broken = reason
            left = list(self._pending.values())
            self._pending.clear()
            for pending in left:
                pending.failure = reason
            self._changed.notify_all()
        try:
            self._socket.shutdown(socket.SHUT_RDWR)  # wakes who reads
        except OSError:
            pass
        self._socket.close()
        for pending in left:
            if pending.release is not None:
                pending.release()
        return reason
