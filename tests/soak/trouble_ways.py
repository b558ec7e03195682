# SPDX-License-Identifier: Apache-2.0
"""Ways to use the daemon that make trouble, and what a daemon has to do beside inference."""
import http.client
import json
import socket
import time

import inferd
from grpc_ways import settle
from http_ways import UnixConnection
from way import BUSY, PATIENCE_S, Way

# What takes part: whatever of it comes, an answer that does come must be right.
_LATE = ("DEADLINE_EXCEEDED", "UNAVAILABLE")


class _BothTransports(Way):
    def __init__(self, *args):
        super().__init__(*args)
        self.grpc = inferd.Client(self.target.grpc, timeout=PATIENCE_S)
        self.local = inferd.Client(f"local:{self.target.local}", timeout=PATIENCE_S)

    def one(self):
        return self.grpc if self.chance(2) else self.local

    def close(self):
        self.grpc.close()
        self.local.close()


class Sequences(_BothTransports):
    """Some sequences side by side, from begin to end; now and then one is left without its end."""

    _numbers = 0

    def step(self):
        count = int(self.random.integers(2, 12))
        client = self.one()
        together = []
        for _ in range(int(self.random.integers(1, 4))):
            identity = int(self.random.integers(1, 1 << 62))
            together.append((identity, self.source.steps(count)))
        left = self.chance(10)
        for i in range(count - 1 if left else count):
            sent = []
            for identity, steps in together:
                sequence = (identity, i == 0, i == count - 1)
                sent.append((self.tally.send(), steps[i],
                             client.infer_async("sum", steps[i].inputs, sequence=sequence)))
            for entry in sent:
                settle(*entry)
        return count * len(together)


class Deadlines(_BothTransports):
    """Times that are too short for a model that takes 8 ms, or just long enough."""

    def step(self):
        content = self.source.slow()
        timeout = float(self.random.choice([0.001, 0.004, 0.009, 0.015, 0.03]))
        ticket = self.tally.send(*BUSY, *_LATE)
        try:
            ticket.answer(content.mistake(self.one().infer("slow", content.inputs, timeout=timeout)))
        except inferd.Error as error:
            ticket.refuse(error.code.name, error.message)
        return 1


class Cancellations(_BothTransports):
    """Requests that are taken back while they wait or run; over HTTP by going away."""

    def step(self):
        if self.chance(3):
            self._leave_http()
            return 1
        content = self.source.slow()
        ticket = self.tally.send(*BUSY, "CANCELLED")
        future = self.grpc.infer_async("slow", content.inputs)
        time.sleep(float(self.random.random()) * 0.02)
        if future.cancel():
            ticket.refuse("CANCELLED")
        else:
            settle(ticket, content, future)
        return 1

    def _leave_http(self):
        self.tally.abandon()
        connection = UnixConnection(self.target.http)
        body = json.dumps({"inputs": [{"name": "INPUT0", "datatype": "FP32", "shape": [1, 4], "data": [1, 2, 3, 4]}]})
        connection.request("POST", "/v2/models/slow/infer", body)
        time.sleep(float(self.random.random()) * 0.01)
        connection.close()


class Failing(_BothTransports):
    """A model whose runs all fail, and requests that make no sense."""

    def step(self):
        if self.chance(2):
            content, expected = self.source.broken(), "INTERNAL"
        else:
            content, expected = self.source.slow(), "INVALID_ARGUMENT"
            content.inputs["INPUT0"] = content.inputs["INPUT0"][:, :3]  # the model takes 4
        ticket = self.tally.send(*BUSY, expected)
        try:
            self.one().infer(content.model, content.inputs)
            ticket.answer("it should have failed")
        except inferd.Error as error:
            ticket.refuse(error.code.name, error.message)
        return 1


class Visitors(_BothTransports):
    """A model that comes and goes while others ask it. Only one thread may be this way's."""

    def step(self):
        self.grpc.load("visitor")
        sent = []
        for _ in range(6):
            content = self.source.visitor()
            sent.append((self.tally.send(*BUSY, "NOT_FOUND", "UNAVAILABLE"), content,
                         self.one().infer_async("visitor", content.inputs)))
        if self.chance(2):
            self.grpc.unload("visitor")
        for entry in sent:
            settle(*entry)
        return len(sent)

    def close(self):
        self.grpc.load("visitor")  # so that the daemon has the same models at each end of a phase
        super().close()


class Onlookers(Way):
    """Metrics, statistics and lists."""

    def __init__(self, *args):
        super().__init__(*args)
        self._client = inferd.Client(self.target.grpc, timeout=PATIENCE_S)

    def step(self):
        ticket = self.tally.send()
        connection = UnixConnection(self.target.http)
        try:
            connection.request("GET", "/metrics")
            response = connection.getresponse()
            text = response.read().decode()
            self._client.statistics()
            self._client.models()
            self._client.model("echo")
            good = response.status == 200 and "nv_inference_request_success" in text
            ticket.answer(None if good else f"/metrics: HTTP {response.status}: {text[:200]}")
        except (inferd.Error, http.client.HTTPException) as error:
            ticket.refuse(type(error).__name__, str(error))
        finally:
            connection.close()
        return 1

    def close(self):
        self._client.close()


class Silent(Way):
    """Connections that say nothing, or stop in the middle of what they say, and stay for a while."""

    _BEGINNINGS = {"grpc": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "http": b"POST /v2/models/echo/infer HTTP/1.1\r\nHos",
                   "local": None}  # a frame cannot stop in its middle
    _MOST = 12  # at one time

    def __init__(self, *args):
        super().__init__(*args)
        self._open = []

    def step(self):
        kind = list(self._BEGINNINGS)[self.random.integers(3)]
        path = {"grpc": self.target.grpc.removeprefix("unix:"), "http": self.target.http, "local": self.target.local}
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET if kind == "local" else socket.SOCK_STREAM)
        connection.connect(path[kind])
        beginning = self._BEGINNINGS[kind]
        if beginning and self.chance(2):
            connection.sendall(beginning[:int(self.random.integers(1, len(beginning) + 1))])
        self.tally.abandon()
        self._open.append(connection)
        if len(self._open) > self._MOST:
            self._open.pop(0).close()
        return 1

    def close(self):
        for connection in self._open:
            connection.close()
