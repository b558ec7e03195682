#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Everything at once against one daemon, for minutes or hours: all protocols from several processes, cancellations,
deadlines that are too short, clients that are killed or say nothing, sequences, a model that comes and goes and one that
fails. Every answer is compared with what its request must bring, every request must end exactly once, and afterwards the
daemon must have no more memory, threads and descriptors than after the first phase, the warm-up.

    scripts/soak.sh --serving [--minutes N] [--rate N]

Exit status 0: all of that held. 1: something did not; the report says what. 77: something it needs is missing.
"""
import argparse
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import asdict

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))

try:
    import grpc
    import inferd
    import raw_protocol
    from content import record_real, write_models
    from grpc_ways import region_prefix
    from watched_daemon import WatchedDaemon
except ImportError as error:
    print(f"SKIPPED: {error}; install python3-grpcio, python3-numpy and python3-setuptools, and build inferd-python")
    sys.exit(77)

WORKER = pathlib.Path(__file__).parent / "worker.py"
# Processes, each with its ways: {way: (threads, share of all requests)}.
PROCESSES = [
    {"grpc-unary": (2, 0.16)},
    {"grpc-stream": (2, 0.14), "grpc-memory": (1, 0.06)},
    {"http-json": (2, 0.10), "http-binary": (2, 0.12)},
    {"local-package": (2, 0.10), "local-frames": (1, 0.14)},
    {"sequences": (2, 0.08), "cancellations": (1, 0.02), "deadlines": (2, 0.03)},
    {"failing": (1, 0.02), "visitors": (1, 0.02), "onlookers": (1, 0.003), "silent": (1, 0.007)},
]
VICTIMS = ["grpc-unary", "grpc-stream", "grpc-memory", "http-binary", "local-package", "local-frames", "sequences"]
PROGRESS_S = 30


class Worker:
    """A process that runs ways; its last counts are in `counts`."""

    def __init__(self, daemon, real, ways, seed):
        words = [f"{name}={threads}:{rate:.3f}" for name, (threads, rate) in ways.items()]
        self.counts = {}
        self._told = set()  # failures that were printed
        self.name = ",".join(ways)
        self.process = subprocess.Popen(
            [sys.executable, "-B", str(WORKER), json.dumps(asdict(daemon.target)), str(seed), real, *words],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.counts = json.loads(line)

    def new_failures(self):
        """Texts that this has not returned before."""
        texts = [text for way in self.counts.values() for text in way["texts"]]
        new = [text for text in texts if text not in self._told]
        self._told.update(new)
        return new

    def sent(self):
        return sum(way["sent"] for way in self.counts.values())

    def stop(self):
        """Its exit status."""
        self.process.stdin.close()
        try:
            code = self.process.wait(timeout=180)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        self._reader.join()
        return code


class Victims(threading.Thread):
    """Starts clients and kills them in the middle of their requests, one after the other."""

    def __init__(self, daemon, real, pause_s):
        super().__init__(daemon=True)
        self._daemon, self._real, self._pause_s = daemon, real, pause_s
        self._stopping = threading.Event()
        self._random = random.Random(1)
        self.killed = 0

    def run(self):
        while not self._stopping.wait(self._random.uniform(0.5, 1.5) * self._pause_s):
            way = self._random.choice(VICTIMS)
            victim = Worker(self._daemon, self._real, {way: (2, 200)}, 1000 + self.killed)
            while victim.sent() == 0 and victim.process.poll() is None and not self._stopping.is_set():
                time.sleep(0.01)
            time.sleep(self._random.uniform(0, 0.3))
            victim.process.send_signal(signal.SIGKILL)
            victim.stop()
            self._tidy_up(victim.process.pid)
            self.killed += 1

    def _tidy_up(self, pid):
        """Regions belong to nobody: whoever sees a client die takes them back."""
        for file in pathlib.Path("/dev/shm").glob(f"{region_prefix(self._daemon.target, pid)}*"):
            unregister(self._daemon, file.name)
            file.unlink()

    def stop(self):
        self._stopping.set()
        self.join()


def unregister(daemon, region):
    pb, services = raw_protocol.load_stubs()
    with grpc.insecure_channel(daemon.target.grpc) as channel:
        services.GRPCInferenceServiceStub(channel).SystemSharedMemoryUnregister(
            pb.SystemSharedMemoryUnregisterRequest(name=region), timeout=60)


class LoadCommand(threading.Thread):
    """inferctl load, again and again, over both of its transports; all that it sends must be answered."""

    def __init__(self, inferctl, daemon, rate):
        super().__init__(daemon=True)
        self._inferctl, self._target, self._rate = inferctl, daemon.target, rate
        self._stopping = threading.Event()
        self.sent, self.failures = 0, []

    def run(self):
        while not self._stopping.is_set():
            for endpoint in (self._target.grpc, f"local:{self._target.local}"):
                self._once(endpoint)
                if self._stopping.wait(1):
                    return

    def _once(self, endpoint):
        result = subprocess.run(
            [self._inferctl, "--endpoint", endpoint, "--json", "load", "echo", "--batch", "2", "--rate",
             str(self._rate), "--poisson", "--duration", "3"], capture_output=True, text=True, timeout=180)
        if result.returncode != 0:
            self.failures.append(f"inferctl load: {result.stderr.strip()}")
            return
        report = json.loads(result.stdout)
        self.sent += report["sent"]
        refused = sum(report["errors"].values())
        if set(report["errors"]) - {"RESOURCE_EXHAUSTED"} or report["succeeded"] + refused != report["sent"]:
            self.failures.append(f"inferctl load: {result.stdout}")

    def stop(self):
        self._stopping.set()
        self.join()


class Soak:
    def __init__(self, args, daemon):
        self._args, self._daemon = args, daemon
        self._real = str(daemon.folder / "real.npz")
        with inferd.Client(daemon.target.grpc, timeout=60) as client:
            if not record_real(client, self._real):
                self._real = ""
        self._begin = time.monotonic()

    def run(self):
        """The report."""
        warm_up_s = min(120, max(self._args.warm_up, 6 * self._args.minutes))
        failures = self._phase("warm-up", warm_up_s, 1)["failures"]
        before = self._daemon.quiet_use()
        print(f"after the warm-up: {before.text()}", flush=True)
        report = self._phase("soak", self._args.minutes * 60, 2)
        after = self._daemon.quiet_use(lambda use: not self._grown(before, use))
        print(f"at the end: {after.text()}", flush=True)
        report["failures"] = failures + report["failures"] + self._grown(before, after)
        report["daemon"] = {"before": asdict(before), "after": asdict(after)}
        return report

    def _grown(self, before, after):
        grown = []
        if after.rss_kb > before.rss_kb + self._args.slack_kb:
            grown.append(f"the daemon has {after.rss_kb} KB instead of {before.rss_kb}")
        if after.threads_beyond(before):
            grown.append(f"the daemon has the threads {after.thread_names} instead of {before.thread_names}")
        if after.descriptors > before.descriptors:
            grown.append(f"the daemon has {after.descriptors} descriptors instead of {before.descriptors}")
        return grown

    def _phase(self, name, seconds, seed):
        rate = self._args.rate
        workers = [Worker(self._daemon, self._real,
                          {way: (threads, rate * share / threads) for way, (threads, share) in ways.items()},
                          100 * seed + number) for number, ways in enumerate(PROCESSES)]
        victims = Victims(self._daemon, self._real, self._args.kill_every)
        load = LoadCommand(self._args.inferctl, self._daemon, max(1, rate * 0.1))
        others = [victims, load]
        for other in others:
            other.start()
        self._watch(name, workers, seconds)
        for other in others:
            other.stop()
        codes = [worker.stop() for worker in workers]
        failures = list(load.failures)
        failures += [f"worker {w.name} ended with {code}" for w, code in zip(workers, codes) if code]
        ways = {way: counts for w in workers for way, counts in w.counts.items()}
        for way, counts in ways.items():
            failures += counts.pop("texts")
            lost = counts["sent"] - sum(counts["outcomes"].values())
            if lost:
                failures.append(f"{way}: {lost} requests got no answer")
        if not self._daemon.alive():
            failures.append(f"the daemon ended: {self._daemon.process.poll()}\n{self._daemon.log_tail()}")
        return {"seconds": seconds, "ways": ways, "killed_clients": victims.killed, "inferctl_load_sent": load.sent,
                "failures": failures}

    def _watch(self, name, workers, seconds):
        """Waits, with a line now and then; not longer than all workers and the daemon live."""
        begin = told = time.monotonic()
        while self._daemon.alive() and any(worker.process.poll() is None for worker in workers):
            now = time.monotonic()
            if now - told >= PROGRESS_S or now - begin >= seconds:
                self._print_line(name, workers)
                told = now
            if now - begin >= seconds:
                return
            time.sleep(min(1, begin + seconds - now))

    def _print_line(self, name, workers):
        outcomes, failures = Counter(), 0
        for worker in workers:
            for counts in worker.counts.values():
                outcomes.update(counts["outcomes"])
                failures += sum(counts["failures"].values())
        told = ", ".join(f"{n} {what}" for what, n in outcomes.most_common())
        print(f"{time.monotonic() - self._begin:6.0f} s {name}: {told}; {failures} failures; "
              f"{self._daemon.use().text()}; load {os.getloadavg()[0]:.1f}", flush=True)
        for worker in workers:
            for text in worker.new_failures():
                print(f"         {text}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inferd", required=True, help="inferd-with-test-models")
    parser.add_argument("--inferctl", required=True)
    parser.add_argument("--models", type=pathlib.Path, default=pathlib.Path(), help="folder of real models")
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--rate", type=float, default=300, help="requests a second, of all clients together")
    parser.add_argument("--warm-up", type=float, default=20, help="seconds at least; a tenth of the time where that is more")
    parser.add_argument("--kill-every", type=float, default=5, help="seconds between clients that are killed")
    parser.add_argument("--slack-kb", type=int, default=2048, help="how much more memory the daemon may have in the end")
    parser.add_argument("--report", type=pathlib.Path, help="file for the report, JSON")
    args = parser.parse_args()

    daemon = WatchedDaemon(args.inferd, lambda root: write_models(root, args.models),
                           local={"max_connections": 256, "max_user_connections": 256})
    try:
        report = Soak(args, daemon).run()
    finally:
        code = daemon.terminate()
        log = daemon.log_tail()
        daemon.remove()
    if code != 0:
        report["failures"].append(f"the daemon's exit status is {code}\n{log}")
    report["ok"] = not report["failures"]
    text = json.dumps(report, indent=1)
    if args.report:
        args.report.write_text(text + "\n")
    print(text)
    sys.exit(0 if report["ok"] else 1)


if __name__ == "__main__":
    main()
