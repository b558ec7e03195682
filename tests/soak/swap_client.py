# SPDX-License-Identifier: Apache-2.0
"""Clients of swaps.py, a process of their own so that what they measure is not what the deploying costs.

    swap_client.py TARGET MODEL RATE TRANSPORT=THREADS...

Prints a line for each request: {"at": [sent, answered], "factor": F, "by": TRANSPORT}, times of the monotonic clock, or
{"at": ..., "by": ..., "mistake": TEXT}. Until its standard input ends.
"""
import json
import pathlib
import random
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))

import grpc  # noqa: E402
import inferd  # noqa: E402
import numpy as np  # noqa: E402
from http_ways import UnixConnection  # noqa: E402
from way import PATIENCE_S, Target  # noqa: E402

import raw_protocol  # noqa: E402


class Grpc:
    def __init__(self, target, model):
        self._model = model
        self._pb, services = raw_protocol.load_stubs()
        self._channel = grpc.insecure_channel(target.grpc, options=[("grpc.use_local_subchannel_pool", 1)])
        self._stub = services.GRPCInferenceServiceStub(self._channel)

    def ask(self, x):
        """The answer, and the version that it names; None: it names none."""
        request = self._pb.ModelInferRequest(model_name=self._model)
        request.inputs.add(name="INPUT0", datatype="FP32", shape=x.shape)
        request.raw_input_contents.append(x.tobytes())
        answer = self._stub.ModelInfer(request, timeout=PATIENCE_S)
        return np.frombuffer(answer.raw_output_contents[0], np.float32).reshape(x.shape), int(answer.model_version)


class Http:
    def __init__(self, target, model):
        self._connection, self._model = UnixConnection(target.http), model

    def ask(self, x):
        body = json.dumps({"inputs": [{"name": "INPUT0", "datatype": "FP32", "shape": x.shape,
                                       "data": x.ravel().tolist()}]})
        self._connection.request("POST", f"/v2/models/{self._model}/infer", body)
        response = self._connection.getresponse()
        data = response.read().decode()
        if response.status != 200:
            raise RuntimeError(f"HTTP {response.status}: {data}")
        answer = json.loads(data)
        return np.array(answer["outputs"][0]["data"], np.float32).reshape(x.shape), int(answer["model_version"])


class Local:
    def __init__(self, target, model):
        self._client, self._model = inferd.Client(f"local:{target.local}", timeout=PATIENCE_S), model

    def ask(self, x):
        return self._client.infer(self._model, x)["OUTPUT0"], None


TRANSPORTS = {"grpc": Grpc, "http": Http, "local": Local}


def one(client, x):
    """What is to be said of one request; a factor that is the version's number."""
    try:
        y, version = client.ask(x)
    except (grpc.RpcError, inferd.Error, OSError, RuntimeError, ValueError, KeyError) as error:
        return {"mistake": repr(error)}
    factor = float(y[0, 0] / x[0, 0])
    if not np.array_equal(y, x * np.float32(factor)):
        return {"mistake": f"{x.tolist()} became {y.tolist()}"}
    if version not in (None, factor):
        return {"mistake": f"version {version} is said to have answered, and {factor} did"}
    return {"factor": factor}


def run(name, client, rate, stop):
    gaps = random.Random(id(client))
    number = 0
    while not stop.is_set():
        number += 1
        x = np.array([[1 + number % 500, gaps.randrange(1000)]], np.float32)
        sent = time.monotonic()
        told = one(client, x)
        print(json.dumps({"at": [sent, time.monotonic()], "by": name, **told}) + "\n", end="", flush=True)
        stop.wait(gaps.expovariate(rate))


def main():
    target, model, rate, *wanted = sys.argv[1:]
    stop = threading.Event()
    threads = []
    for transport, count in (word.split("=") for word in wanted):
        for _ in range(int(count)):
            client = TRANSPORTS[transport](Target(**json.loads(target)), model)
            threads.append(threading.Thread(target=run, args=(transport, client, float(rate), stop), daemon=True))
    for thread in threads:
        thread.start()
    sys.stdin.read()
    stop.set()
    for thread in threads:
        thread.join(PATIENCE_S)


if __name__ == "__main__":
    main()
