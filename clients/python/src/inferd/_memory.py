# SPDX-License-Identifier: Apache-2.0
"""Memory that a client and the daemon share."""
import fcntl
import mmap
import os
import threading
import weakref
from typing import Callable, List

import numpy as np

from inferd import _frames as frames
from inferd._errors import Code, Error

ALIGNMENT = 64
_SMALLEST = 1 << 16


def aligned(size: int) -> int:
    return (size + ALIGNMENT - 1) // ALIGNMENT * ALIGNMENT


class Memory:
    """A memfd that nobody can shrink or grow, as the daemon demands, mapped here. Zeros at first."""

    def __init__(self, size: int) -> None:
        self.size = max(size, 1)
        self.fd = os.memfd_create("inferd", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        weakref.finalize(self, os.close, self.fd)
        os.ftruncate(self.fd, self.size)
        fcntl.fcntl(self.fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
        self.map = mmap.mmap(self.fd, self.size)

    def array(self, dtype: np.dtype, shape: tuple, offset: int) -> np.ndarray:
        """A view; it keeps the memory."""
        return np.ndarray(shape, dtype, buffer=self.map, offset=offset)


class Mapped:
    """Memory with the number that one connection gave it."""

    def __init__(self, memory: Memory, number: int) -> None:
        self.memory = memory
        self.number = number


class Lease:
    """What a request holds until neither the daemon nor the caller needs it any more."""

    def __init__(self, free: Callable[[], None]) -> None:
        self._free = free
        self._holders = 2
        self._lock = threading.Lock()

    def drop(self) -> None:
        """Once by each of the two."""
        with self._lock:
            self._holders -= 1
            last = self._holders == 0
        if last:
            self._free()


class Pool:
    """Buffers of a connection: numbers for those that are mapped, and memory to be used again.

    `call(kind, body, fds)` asks the daemon. Safe to use from several threads.
    """

    def __init__(self, max_buffers: int) -> None:
        self._numbers = list(range(max_buffers - 1, -1, -1))
        self._idle: List[Mapped] = []  # by size
        self._lock = threading.Lock()

    def map(self, memory: Memory, call: Callable) -> Mapped:
        with self._lock:
            spare = None if self._numbers or not self._idle else self._idle.pop(0)
            number = self._numbers.pop() if self._numbers else None
        if spare is not None:
            self.unmap(spare, call)
            return self.map(memory, call)
        if number is None:
            raise Error(Code.RESOURCE_EXHAUSTED, "all buffers of this connection are in use; close some")
        try:
            call(frames.Type.MAP, frames.map_buffer(number, memory.size), [memory.fd])
        except BaseException:
            self._give_back(number)
            raise
        return Mapped(memory, number)

    def unmap(self, mapped: Mapped, call: Callable) -> None:
        call(frames.Type.UNMAP, frames.number_of(mapped.number), [])
        self._give_back(mapped.number)

    def take(self, size: int, call: Callable) -> Mapped:
        """Memory of at least `size` bytes, for one request; put() it back."""
        with self._lock:
            for i, mapped in enumerate(self._idle):
                if mapped.memory.size >= size:
                    return self._idle.pop(i)
            outgrown = self._idle.pop() if self._idle else None
        if outgrown is not None:  # rather a few large ones than many of all sizes
            self.unmap(outgrown, call)
        return self.map(Memory(max(_SMALLEST, 1 << (size - 1).bit_length())), call)

    def put(self, mapped: Mapped) -> None:
        with self._lock:
            self._idle.append(mapped)
            self._idle.sort(key=lambda m: m.memory.size)

    def _give_back(self, number: int) -> None:
        with self._lock:
            self._numbers.append(number)
