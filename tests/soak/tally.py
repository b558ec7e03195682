# SPDX-License-Identifier: Apache-2.0
"""Counts what became of requests: each gets exactly one end, and only one that its way expects."""
import random
import threading
import time
from collections import Counter

_KEPT_LATENCIES = 4096  # of a way: a fair sample of all
_KEPT_FAILURES = 20  # texts; all are counted


class Ticket:
    """A request on its way. Exactly one of answer() and refuse() must be called, once."""

    def __init__(self, tally, expected):
        self._tally = tally
        self._expected = expected
        self._begin = time.monotonic()
        self._ended = False

    def answer(self, mistake=None):
        """`mistake`: what is wrong with the answer, if anything."""
        self._end("answered", time.monotonic() - self._begin, mistake and f"a wrong answer: {mistake}")

    def refuse(self, code, message=""):
        self._end(code, None, None if code in self._expected else f"{code}: {message}")

    def _end(self, outcome, seconds, failure):
        self._tally.end(outcome, seconds, failure, twice=self._ended)
        self._ended = True


class Tally:
    """Of one way. Safe to use from several threads."""

    def __init__(self, way):
        self._way = way
        self._lock = threading.Lock()
        self._sent = 0  # by _lock, as all that follows
        self._outcomes = Counter()
        self._seconds = []
        self._failures = Counter()
        self._texts = []
        self._random = random.Random(1)

    def send(self, *expected):
        """A ticket for a request; `expected` are the codes that it may be refused with."""
        with self._lock:
            self._sent += 1
        return Ticket(self, expected)

    def abandon(self):
        """A request whose sender goes away on purpose, and learns nothing."""
        with self._lock:
            self._sent += 1
            self._outcomes["abandoned"] += 1

    def end(self, outcome, seconds, failure, twice):
        with self._lock:
            if twice:
                self._fail("answered twice", f"a second end of a request: {outcome}")
                return
            self._outcomes[outcome] += 1
            if seconds is not None:
                self._sample(seconds)
            if failure:
                self._fail("unexpected", failure)

    def fail(self, kind, text):
        with self._lock:
            self._fail(kind, text)

    def snapshot(self):
        with self._lock:
            ordered = sorted(self._seconds)
            at = [round(1e3 * ordered[int(p * (len(ordered) - 1))], 3) for p in (0.5, 0.99)] if ordered else None
            return {"sent": self._sent, "outcomes": dict(self._outcomes), "failures": dict(self._failures),
                    "texts": list(self._texts), "latency_ms": at and {"p50": at[0], "p99": at[1]}}

    def _sample(self, seconds):
        if len(self._seconds) < _KEPT_LATENCIES:
            self._seconds.append(seconds)
            return
        place = self._random.randrange(self._outcomes["answered"])
        if place < _KEPT_LATENCIES:
            self._seconds[place] = seconds

    def _fail(self, kind, text):
        self._failures[kind] += 1
        if len(self._texts) < _KEPT_FAILURES:
            self._texts.append(f"{self._way}: {kind}: {text}")
