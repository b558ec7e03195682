#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What serving shall reach, measured with a real model: thousands of connections that do nothing cost little, batching
loses nothing against the engine alone, and twice the load that can be served does not spoil what is served.

    scripts/soak.sh --goals [--rounds N]

Prints Markdown, as docs/benchmarks.md has it. Exit status 1: a goal was missed.
"""
import argparse
import json
import os
import pathlib
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))

try:
    import inferd
    import local_protocol
    import numpy  # noqa: F401
    from http_ways import UnixConnection
    from watched_daemon import WatchedDaemon
except ImportError as error:
    print(f"SKIPPED: {error}; install python3-grpcio, python3-numpy and python3-setuptools, and build inferd-python")
    sys.exit(77)

ARGS = None
CLIENTS = 16
BATCHES = (1, 2, 4, 8, 16)
DEADLINE_MS = 100
# Settings of a connection, and the end of its beginning, as HTTP/2 has them.
HTTP2_BEGIN = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + b"\x04" + bytes(5)


def daemon_of(model, options, most_connections=600):
    """A daemon that serves one file as "model"."""
    def fill(root):
        (root / "model" / "1").mkdir(parents=True)
        shutil.copyfile(model, root / "model" / "1" / ("model" + model.suffix))
        (root / "model" / "model.yaml").write_text(json.dumps(options))

    return WatchedDaemon(ARGS.inferd, fill, local={"max_connections": most_connections,
                                                   "max_user_connections": most_connections},
                         http={"max_connections": most_connections}, engine={"threads": ARGS.threads})


def ctl(*arguments):
    result = subprocess.run([ARGS.inferctl, "--json", *map(str, arguments)], capture_output=True, text=True, timeout=600)
    if result.returncode != 0:
        raise RuntimeError(f"inferctl {' '.join(map(str, arguments))}: {result.stderr}")
    return json.loads(result.stdout)


def load(endpoint, *options):
    return ctl("--endpoint", endpoint, "load", "model", *options)


def endpoints(daemon):
    return {"gRPC": daemon.target.grpc, "local socket": f"local:{daemon.target.local}"}


class Verdicts:
    def __init__(self):
        self.missed = []

    def check(self, holds, what):
        print(f"- {'met' if holds else '**missed**'}: {what}", flush=True)
        if not holds:
            self.missed.append(what)


def connect_http2(path):
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(60)
    connection.connect(path)
    connection.sendall(HTTP2_BEGIN)
    if not connection.recv(1024):
        raise RuntimeError("gRPC closed a connection")
    return connection


def connect_http(path):
    connection = UnixConnection(path)
    connection.request("GET", "/v2/health/live")
    response = connection.getresponse()
    response.read()
    if response.status != 200:
        raise RuntimeError(f"HTTP {response.status}")
    return connection


def idle_connections(verdicts):
    """Each of them has said something, and says no more."""
    model = ARGS.models / "tflite/vww_96_int8.tflite"
    count = ARGS.connections
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    daemon = daemon_of(model, {"max_batch": 4}, count + 100)
    print(f"\n{model.stem}, {count} idle connections of each kind, load of 4 clients in a closed loop for 3 s:\n")
    print("| connections | resident, MB | threads | descriptors | gRPC p50, ms | p99 | local p50, ms | p99 |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")

    def row(name):
        cells = []
        for endpoint in endpoints(daemon).values():
            latency = load(endpoint, "--concurrency", 4, "--duration", 3)["latency_ms"]
            cells += [f"{latency['p50']:.2f}", f"{latency['p99']:.2f}"]
        use = daemon.use()
        print(f"| {name} | {use.rss_kb / 1024:.1f} | {use.threads} | {use.descriptors} | {' | '.join(cells)} |", flush=True)
        return use

    opened = []
    try:
        row("none, first load")
        first = row("none")
        for name, connect in [("gRPC", lambda: connect_http2(daemon.target.grpc.removeprefix("unix:"))),
                              ("HTTP", lambda: connect_http(daemon.target.http)),
                              ("local", lambda: local_protocol.Client(daemon.target.local))]:
            opened += [connect() for _ in range(count)]
            full = row(f"+ {count} {name}")
        for connection in opened:
            connection.close()
        # The daemon looks every 20 seconds whether there is memory to give back.
        enough = lambda use: use.descriptors <= first.descriptors and use.rss_kb <= first.rss_kb + 16384  # noqa: E731
        after = daemon.quiet_use(enough)
        print(f"| closed again | {after.rss_kb / 1024:.1f} | {after.threads} | {after.descriptors} | | | | |\n")
        each_kb = (full.rss_kb - first.rss_kb) / (3 * count)
        verdicts.check(full.threads_beyond(first) == 0, f"{full.threads} threads instead of {first.threads}")
        verdicts.check(each_kb <= 32, f"{each_kb:.1f} KB of memory for a connection, at most 32")
        verdicts.check(enough(after), f"afterwards {after.text()}; before, {first.text()}")
    finally:
        for connection in opened:
            connection.close()
        finish(daemon, verdicts)


def finish(daemon, verdicts):
    code = daemon.terminate()
    if code != 0:
        verdicts.check(False, f"the daemon's exit status is {code}: {daemon.log_tail()}")
    daemon.remove()


def children_s():
    """CPU time of the programs that have ended."""
    use = resource.getrusage(resource.RUSAGE_CHILDREN)
    return use.ru_utime + use.ru_stime


def alone(model, batch):
    """Inferences a second of `inferctl bench` in some two seconds, disturbed as the daemon is; and the CPU time of one, ms,
    which is what other programs do not change."""
    def bench(iterations):
        before = children_s()
        report = ctl("bench", model, "--batch", batch, "--threads", ARGS.threads, "--iterations", iterations)
        return report["inferences_per_s"], children_s() - before

    first, first_s = bench(5)
    iterations = 5 + max(5, round(2 * first / batch))
    speed, all_s = bench(iterations)
    return speed, 1e3 * (all_s - first_s) / ((iterations - 5) * batch)  # without loading the model


def served(daemon, endpoint):
    """The same of the daemon."""
    before = daemon.cpu_s()
    report = load(endpoint, "--concurrency", CLIENTS, "--duration", 4)
    return report["throughput"], 1e3 * (daemon.cpu_s() - before) / report["succeeded"]


def throughput(verdicts):
    model = ARGS.models / "tflite/mobilenet_v2_1.0_224_quant.tflite"
    daemon = daemon_of(model, {"max_batch": 8, "max_delay_us": ARGS.max_delay_us, "instances": ARGS.instances})
    print(f"\n{model.stem}, {ARGS.threads} thread(s), {CLIENTS} clients in a closed loop beside `inferctl bench`, medians of "
          f"{ARGS.rounds} rounds:\n")
    try:
        measures = {f"alone, batch {b}": lambda b=b: alone(model, b) for b in BATCHES}
        measures.update({name: lambda e=e: served(daemon, e) for name, e in endpoints(daemon).items()})
        rounds = [{name: measure() for name, measure in measures.items()} for _ in range(ARGS.rounds)]
        speed, cpu_ms = ({name: statistics.median(r[name][i] for r in rounds) for name in measures} for i in (0, 1))
        print("| | " + " | ".join(measures) + " |\n| --- |" + " ---: |" * len(measures))
        print("| inferences a second | " + " | ".join(f"{speed[name]:.0f}" for name in measures) + " |")
        print("| CPU time of one, ms | " + " | ".join(f"{cpu_ms[name]:.2f}" for name in measures) + " |\n")
        best = max(BATCHES, key=lambda b: speed[f"alone, batch {b}"])
        least = min(cpu_ms[f"alone, batch {b}"] for b in BATCHES)
        for name in endpoints(daemon):
            share = statistics.median(r[name][0] / r[f"alone, batch {best}"][0] for r in rounds)
            verdicts.check(share >= 0.95, f"{name}: {100 * share:.1f} % of the best batch alone; by CPU time "
                                          f"{100 * least / cpu_ms[name]:.1f} %")
    finally:
        finish(daemon, verdicts)


def overload(verdicts):
    model = ARGS.models / "tflite/mobilenet_v2_1.0_224_quant.tflite"
    daemon = daemon_of(model, {"max_batch": 8, "max_delay_us": ARGS.max_delay_us, "instances": ARGS.instances})
    print(f"\n{model.stem}, {ARGS.threads} thread(s), Poisson arrivals at twice what a closed loop reaches, a deadline of "
          f"{DEADLINE_MS} ms, 15 s:\n")
    print("| | sustainable, 1/s | offered, 1/s | answered, 1/s | p50, ms | p99, ms | refused after p50, ms | p99, ms "
          "| resident before, MB | after |\n| --- |" + " ---: |" * 9)
    lines = []
    try:
        for name, endpoint in endpoints(daemon).items():
            sustainable = load(endpoint, "--concurrency", CLIENTS, "--duration", 4)["throughput"]
            plan = ["--rate", 2 * sustainable, "--poisson", "--deadline-ms", DEADLINE_MS]
            load(endpoint, *plan, "--duration", 5)  # what a daemon takes for the first overload, it keeps
            before = daemon.use()
            report = load(endpoint, *plan, "--duration", 15)
            after = daemon.use()
            accepted, refused = report["latency_ms"], report["failing_latency_ms"]
            answered = report["succeeded"] / report["seconds"]
            print(f"| {name} | {sustainable:.0f} | {2 * sustainable:.0f} | {answered:.0f} | {accepted['p50']:.1f} | "
                  f"{accepted['p99']:.1f} | {refused['p50']:.1f} | {refused['p99']:.1f} | {before.rss_kb / 1024:.1f} | "
                  f"{after.rss_kb / 1024:.1f} |", flush=True)
            lines.append((name, accepted, refused, answered / sustainable, after.rss_kb - before.rss_kb,
                          after.threads_beyond(before), report["errors"]))
    finally:
        finish(daemon, verdicts)
    print()
    for name, accepted, refused, share, kb, threads, errors in lines:
        verdicts.check(accepted["p99"] <= DEADLINE_MS, f"{name}: accepted requests have a p99 of {accepted['p99']:.1f} ms")
        verdicts.check(refused["p50"] <= DEADLINE_MS / 5, f"{name}: half of the refusals took {refused['p50']:.1f} ms or less")
        verdicts.check(share >= 0.85, f"{name}: {100 * share:.0f} % of what can be served is served")
        verdicts.check(kb <= 2048 and threads == 0, f"{name}: {kb} KB and {threads} threads more; errors: {errors}")


PARTS = {"idle": idle_connections, "throughput": throughput, "overload": overload}


def main():
    global ARGS
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inferd", required=True)
    parser.add_argument("--inferctl", required=True)
    parser.add_argument("--models", type=pathlib.Path, required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1, help="of the engine")
    parser.add_argument("--instances", type=int, default=1, help="of the model")
    parser.add_argument("--max-delay-us", type=int, default=0, help="of the model")
    parser.add_argument("--connections", type=int, default=2000)
    parser.add_argument("parts", nargs="*", choices=[[], *PARTS], help=f"of {', '.join(PARTS)}; all by default")
    ARGS = parser.parse_args()
    verdicts = Verdicts()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {time.strftime('%Y-%m-%d', time.gmtime())}")
    for name in ARGS.parts or PARTS:
        PARTS[name](verdicts)
    sys.exit(1 if verdicts.missed else 0)


if __name__ == "__main__":
    main()
