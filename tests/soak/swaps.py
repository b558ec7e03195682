#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Versions of a model that take each other's place a thousand times, while eight clients ask it over gRPC, HTTP and the
local socket. Version N multiplies by N, so that each answer says which version gave it: one that served while its request
was on its way. None may fail, and memory must not grow.

    scripts/soak.sh --swaps [N]

Exit status 0: all of that held. 1: something did not; the report says what. 77: something it needs is missing.
"""
import argparse
import json
import pathlib
import subprocess
import sys
import threading
import time
from dataclasses import asdict

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))

try:
    from deployer import DONE, Deployer, state_of, step_us
    from watched_daemon import WatchedDaemon
except ImportError as error:
    print(f"SKIPPED: {error}; install python3-grpcio, python3-numpy and python3-setuptools, and build inferd-python")
    sys.exit(77)

CLIENT = pathlib.Path(__file__).parent / "swap_client.py"
CLIENTS = ["grpc=3", "http=3", "local=2"]
RATE = 25  # requests a second of each
REAL_MODEL = "tflite/mobilenet_v2_1.0_224_quant.tflite"
REAL_SWAPS = 10


def scale(factor):
    return {"model.test": json.dumps({"backend": "scale", "factor": factor,
                                      "inputs": [{"datatype": "FP32", "shape": [-1, 2]}]}).encode()}


def percentiles(values):
    """Of anything, rounded; None: there are none."""
    ordered = sorted(values)
    at = lambda p: round(ordered[int(p * (len(ordered) - 1))], 3)  # noqa: E731
    return {"count": len(ordered), "p50": at(0.5), "p99": at(0.99), "max": at(1)} if ordered else None


class Clients:
    """The processes that ask; what they say is in `said`."""

    def __init__(self, target):
        self.said = []
        self._processes = [
            subprocess.Popen([sys.executable, "-B", str(CLIENT), json.dumps(asdict(target)), "m", str(RATE), which],
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for which in CLIENTS]
        self._readers = [threading.Thread(target=self._read, args=(p,), daemon=True) for p in self._processes]
        for reader in self._readers:
            reader.start()

    def _read(self, process):
        for line in process.stdout:
            self.said.append(json.loads(line))

    def wait_for(self, count):
        """Until so many requests more of each transport are over; False: a client has ended."""
        begin = len(self.said)
        while True:
            new = [said["by"] for said in self.said[begin:]]
            if all(new.count(which.split("=")[0]) >= count for which in CLIENTS):
                return True
            if any(process.poll() is not None for process in self._processes):
                return False
            time.sleep(0.05)

    def stop(self):
        """Exit statuses."""
        for process in self._processes:
            process.stdin.close()
        codes = [process.wait(timeout=180) for process in self._processes]
        for reader in self._readers:
            reader.join()
        return codes


class Swaps:
    def __init__(self, args, daemon):
        self._args, self._daemon = args, daemon
        self._deployer = Deployer(daemon.target.grpc)
        self._served = {}  # version: [when it may serve first, when it has ceased to]
        self._version = 0
        self._publish_us, self._whole_ms = [], []
        self.failures = []

    def run(self):
        """The report."""
        self._swap()
        clients = Clients(self._daemon.target)
        steady = [time.monotonic()]
        alive = clients.wait_for(self._args.steady)
        self._swap()
        first = self._daemon.quiet_use(at_most_s=5)
        alive = alive and clients.wait_for(self._args.steady)
        steady.append(time.monotonic())
        begin = time.monotonic()
        while self._version < self._args.swaps + 2 and not self.failures:
            self._swap()
        seconds = time.monotonic() - begin
        alive = alive and clients.wait_for(2)
        if not alive or any(clients.stop()):
            self.failures.append("a client ended by itself")
        # Code that runs for the first time comes from files, and is no memory that leaks.
        grown_kb = lambda use: use.anonymous_kb - first.anonymous_kb  # noqa: E731
        last = self._daemon.quiet_use(lambda use: grown_kb(use) <= self._args.slack_kb)
        if grown_kb(last) > self._args.slack_kb:
            self.failures.append(f"the daemon has {last.anonymous_kb} KB of its own instead of {first.anonymous_kb}")
        self._judge(clients.said)
        latency = lambda begin, end: percentiles(  # noqa: E731
            [1e3 * (s["at"][1] - s["at"][0]) for s in clients.said if begin <= s["at"][0] and s["at"][1] <= end])
        return {"swaps": self._version - 2, "swaps_per_s": round((self._version - 2) / seconds, 1),
                "requests": len(clients.said), "steady_ms": latency(*steady),
                "during_swaps_ms": latency(begin, begin + seconds), "publish_us": percentiles(self._publish_us),
                "deploy_to_serving_ms": percentiles(self._whole_ms), "rss_kb": [first.rss_kb, last.rss_kb],
                "anonymous_kb": [first.anonymous_kb, last.anonymous_kb], "real_model": self._real(), "failures": self.failures}

    def _swap(self):
        self._version += 1
        self._served[self._version] = [time.monotonic(), float("inf")]
        done = self._deployer.deploy("m", self._version, scale(self._version))
        if state_of(done) != DONE:
            self.failures.append(f"version {self._version}: {state_of(done)}: {done.reason}")
            return
        if self._version > 1:
            self._served[self._version - 1][1] = time.monotonic()
        self._publish_us.append(step_us(done, "publish"))
        self._whole_ms.append(self._to_serving_ms(done))

    @staticmethod
    def _to_serving_ms(done):
        """From the last byte to the first answer: all steps but the end of the old version."""
        return sum(step.took_us for step in done.steps if step.name not in ("drain", "probation")) / 1e3

    def _judge(self, said):
        for request in said:
            sent, answered = request["at"]
            begin, end = self._served.get(request.get("factor"), (0, 0))
            if "mistake" in request:
                self.failures.append(f"{request['by']}: {request['mistake']}")
            elif answered < begin or sent > end:
                self.failures.append(f"{request['by']}: version {request['factor']:.0f} answered, which did not serve then")
        del self.failures[20:]

    def _real(self):
        """How long it takes until a model of some size serves, beside nothing else."""
        file = self._args.models / REAL_MODEL
        if not file.exists():
            return f"SKIPPED: no {file}"
        took = []
        for version in range(1, REAL_SWAPS + 1):
            done = self._deployer.deploy("real", version, {"model.tflite": file.read_bytes(),
                                                           "labels.txt": f"version {version}\n".encode()})
            if state_of(done) != DONE:
                self.failures.append(f"{REAL_MODEL}: {done.reason}")
                return None
            took.append(self._to_serving_ms(done))
        return {"model": REAL_MODEL, "deploy_to_serving_ms": percentiles(took),
                "steps_ms": {step.name: step.took_us / 1e3 for step in done.steps}}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inferd", required=True, help="inferd-with-test-models")
    parser.add_argument("--models", type=pathlib.Path, default=pathlib.Path(), help="folder of real models")
    parser.add_argument("--swaps", type=int, default=1000)
    parser.add_argument("--steady", type=int, default=100, help="requests of each transport before the swaps, twice")
    parser.add_argument("--slack-kb", type=int, default=2048, help="how much more memory the daemon may have in the end")
    args = parser.parse_args()

    daemon = WatchedDaemon(args.inferd, lambda root: None,
                           deployments={"min_free_bytes": 0, "probation": {"seconds": 0}})
    try:
        report = Swaps(args, daemon).run()
    finally:
        code = daemon.terminate()
        log = daemon.log_tail()
        daemon.remove()
    if code != 0:
        report["failures"].append(f"the daemon's exit status is {code}\n{log}")
    print(json.dumps(report, indent=1))
    sys.exit(1 if report["failures"] else 0)


if __name__ == "__main__":
    main()
