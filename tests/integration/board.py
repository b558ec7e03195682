# SPDX-License-Identifier: Apache-2.0
"""A board with a daemon on it to which models are deployed: models of tests/backends, and what inferctl says of them."""
import json
import subprocess
import threading

import grpc
import inferd
import numpy as np
import raw_protocol
from daemon_process import DaemonProcess
from unix_http import UnixConnection

EXIT_OK, EXIT_FAILED, EXIT_UNREACHABLE = 0, 1, 3
PATIENCE_S = 120  # for what must come: a machine may be busy


def scale(factor, **more):
    """OUTPUT0 = INPUT0 * factor, of two numbers; None: NaN."""
    return {"backend": "scale", "factor": factor, "inputs": [{"datatype": "FP32", "shape": [-1, 2]}], **more}


class Board(DaemonProcess):
    """`deployments` are keys of models.deployments, `models` more of the models' section, `grpc` and `http` more listeners.
    begin() starts the daemon."""

    def __init__(self, program, inferctl, deployments=None, models=None, grpc=(), http=()):
        super().__init__(program)
        self._inferctl = inferctl
        self.endpoint = f"unix:{self.folder}/grpc"
        self.models = self.folder / "models"
        self.models.mkdir()
        rollout = {"min_free_bytes": 0, "probation": {"seconds": 0}, **(deployments or {})}
        # YAML takes JSON.
        self.configure(json.dumps({
            "server": {"grpc": ["unix:grpc", *grpc], "http": ["unix:http", *http], "local": [{"path": "local"}]},
            "engine": {"threads": 1}, "models": {"root": "models", "deployments": rollout, **(models or {})}}))

    def begin(self):
        """Starts the daemon, also after it died."""
        self.start(lambda: self.ctl("health").returncode == EXIT_OK)
        return self

    def start_ctl(self, *arguments, endpoint=None):
        command = [self._inferctl, "--endpoint", endpoint or self.endpoint, *map(str, arguments)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def ctl(self, *arguments, endpoint=None):
        """What inferctl did: returncode, stdout, stderr."""
        with self.start_ctl(*arguments, endpoint=endpoint) as process:
            try:
                out, err = process.communicate(timeout=PATIENCE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
            return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def write(self, name, content):
        """A file outside of the repository: bytes, or a dictionary as JSON."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
        return path

    def push(self, content, *options, name="m", file="new/model.test"):
        """inferctl model push of one file."""
        return self.ctl("model", "push", self.write(file, content), "--name", name, *options)

    def show(self, model="m"):
        """inferctl model show: {version: what is known of it}."""
        shown = self.ctl("model", "show", model, "--json")
        if shown.returncode != EXIT_OK:
            raise AssertionError(shown.stderr)
        return {v["version"]: v for v in json.loads(shown.stdout)["versions"]}

    def serves(self, model="m"):
        """The version that serves, or None."""
        return next((v["version"] for v in self.show(model).values() if v["serves"]), None)

    def answer(self, model="m", values=(1, 2), endpoint=None, **options):
        """What a model of scale() makes of two numbers; `options` are those of the client."""
        with inferd.Client(endpoint or self.endpoint, timeout=PATIENCE_S, **options) as client:
            return client.infer(model, np.array([values], np.float32))["OUTPUT0"][0].tolist()

    def http(self, path, body, headers=None):
        """POST of JSON: the status and the answer's JSON, None where it has no body."""
        connection = UnixConnection(self.folder / "http", PATIENCE_S)
        connection.request("POST", path, json.dumps(body), headers or {})
        response = connection.getresponse()
        answer = response.read()
        connection.close()
        return response.status, json.loads(answer) if answer else None

    def http_infer(self, model="m", headers=None, **parameters):
        """What a model of two numbers answers to (1, 2) over HTTP: its version and its output."""
        code, answer = self.http(f"/v2/models/{model}/infer", {
            "parameters": parameters,
            "inputs": [{"name": "INPUT0", "datatype": "FP32", "shape": [1, 2], "data": [1, 2]}]}, headers)
        if code != 200:
            raise AssertionError(answer["error"])
        return int(answer["model_version"]), answer["outputs"][0]["data"]


class Traffic(threading.Thread):
    """A client that asks a model of scale() again and again, until it is left; `factors` are those that may answer."""

    def __init__(self, board, factors, model="m"):
        super().__init__(daemon=True)
        self._endpoint, self._model, self._factors = board.endpoint, model, factors
        self._ended = threading.Event()
        self.answered, self.mistakes = 0, []

    def run(self):
        pb, services = raw_protocol.load_stubs()
        with grpc.insecure_channel(self._endpoint, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
            stub = services.GRPCInferenceServiceStub(channel)
            while not self._ended.is_set():
                try:
                    x = np.array([[1 + self.answered % 7, 3]], np.float32)
                    got = raw_protocol.infer(pb, stub, self._model, {"INPUT0": x}, PATIENCE_S)["OUTPUT0"]
                    if not any(np.array_equal(got, x * np.float32(f), equal_nan=True) for f in self._factors):
                        self.mistakes.append(f"{x.tolist()} became {got.tolist()}")
                    self.answered += 1
                except grpc.RpcError as error:
                    self.mistakes.append(f"{error.code().name}: {error.details()}")

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *unused):
        self._ended.set()
        self.join(PATIENCE_S)
