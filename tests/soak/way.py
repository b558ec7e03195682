# SPDX-License-Identifier: Apache-2.0
"""What every way to use the daemon has: where it is, what to send, and where to count."""
from dataclasses import dataclass

PATIENCE_S = 60  # for answers that must come: a machine may be busy
# What a request may meet when the machine is busy, and nothing is wrong.
BUSY = ("RESOURCE_EXHAUSTED",)


@dataclass(frozen=True)
class Target:
    """Where a daemon listens."""

    grpc: str  # "unix:PATH"
    http: str  # path of a socket
    local: str  # the same


class Way:
    """One thread's use of the daemon. Its own connections, from its first step() to close()."""

    def __init__(self, target, source, tally):
        self.target, self.source, self.tally = target, source, tally
        self.random = source.random

    def step(self):
        """Sends some requests and sees to their ends; returns how many."""
        raise NotImplementedError

    def close(self):
        """Gives everything back."""

    def chance(self, one_in):
        return self.random.integers(one_in) == 0
