# SPDX-License-Identifier: Apache-2.0
"""Ways to run models over HTTP."""
import http.client
import json
import socket

import numpy as np
from grpc_ways import datatype
from way import PATIENCE_S, Way

import raw_protocol

_BUSY = "HTTP 503"
_HEADER = "Inference-Header-Content-Length"


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=PATIENCE_S)
        self._path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Http(Way):
    """Requests one after the other on a connection that is made anew now and then."""

    def __init__(self, *args):
        super().__init__(*args)
        self._connection = UnixConnection(self.target.http)
        self._number = 0

    def step(self):
        if self.chance(30):
            self._connection.close()
        self._number += 1
        identity, content = f"{id(self):x}-{self._number}", self.pick()
        body, headers = self.encode(content, identity)
        ticket = self.tally.send(_BUSY)
        self._connection.request("POST", f"/v2/models/{content.model}/infer", body, headers)
        response = self._connection.getresponse()
        data = response.read()
        if response.status != 200:
            ticket.refuse(f"HTTP {response.status}", data.decode())
            return 1
        head, outputs = self.decode(response.getheader(_HEADER), data)
        got = head.get("id")
        ticket.answer(f"it has the id {got} instead of {identity}" if got != identity else content.mistake(outputs))
        return 1

    def close(self):
        self._connection.close()

    def pick(self):
        """The content of the next request."""
        raise NotImplementedError

    def encode(self, content, identity):
        """Body and headers."""
        raise NotImplementedError

    def decode(self, header_bytes, data):
        """The JSON of the answer, and arrays by name."""
        raise NotImplementedError


class Json(Http):
    def pick(self):
        return self.source.small()

    def encode(self, content, identity):
        inputs = [{"name": n, "datatype": datatype(a), "shape": a.shape, "data": a.ravel().tolist()}
                  for n, a in content.inputs.items()]
        return json.dumps({"id": identity, "inputs": inputs}), {}

    def decode(self, header_bytes, data):
        head = json.loads(data)
        return head, {o["name"]: np.array(o["data"], raw_protocol.NUMPY_TYPES[o["datatype"]]).reshape(o["shape"])
                      for o in head["outputs"]}


class Binary(Http):
    def pick(self):
        return self.source.any()

    def encode(self, content, identity):
        inputs = [{"name": n, "datatype": datatype(a), "shape": a.shape, "parameters": {"binary_data_size": a.nbytes}}
                  for n, a in content.inputs.items()]
        head = json.dumps({"id": identity, "parameters": {"binary_data_output": True}, "inputs": inputs}).encode()
        return head + b"".join(a.tobytes() for a in content.inputs.values()), {_HEADER: str(len(head))}

    def decode(self, header_bytes, data):
        at = int(header_bytes)
        head, outputs = json.loads(data[:at]), {}
        for output in head["outputs"]:
            size = output["parameters"]["binary_data_size"]
            dtype = raw_protocol.NUMPY_TYPES[output["datatype"]]
            outputs[output["name"]] = np.frombuffer(data[at:at + size], dtype).reshape(output["shape"])
            at += size
        return head, outputs
