# SPDX-License-Identifier: Apache-2.0
"""A process of the soak test: some ways, each in threads of its own, until its standard input ends.

    worker.py TARGET SEED REAL WAY=THREADS:RATE...

TARGET is a way.Target as JSON, REAL the file of content.record_real() or "". RATE is requests a second of each thread.
Prints what every way has counted as a line of JSON, every second and at the end.
"""
import json
import pathlib
import random
import sys
import threading
import time
import traceback

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))

import grpc_ways  # noqa: E402
import http_ways  # noqa: E402
import local_ways  # noqa: E402
import trouble_ways  # noqa: E402
from content import Source  # noqa: E402
from tally import Tally  # noqa: E402
from way import Target  # noqa: E402

WAYS = {"grpc-unary": grpc_ways.Unary, "grpc-stream": grpc_ways.Stream, "grpc-memory": grpc_ways.SharedMemory,
        "http-json": http_ways.Json, "http-binary": http_ways.Binary,
        "local-package": local_ways.Package, "local-frames": local_ways.Frames,
        "sequences": trouble_ways.Sequences, "deadlines": trouble_ways.Deadlines,
        "cancellations": trouble_ways.Cancellations, "failing": trouble_ways.Failing,
        "visitors": trouble_ways.Visitors, "onlookers": trouble_ways.Onlookers, "silent": trouble_ways.Silent}


def run(way, tally, rate, stop):
    """Steps at `rate` requests a second, at uneven times, until `stop` is set."""
    gaps = random.Random(id(way))
    try:
        while not stop.is_set():
            requests = way.step()
            stop.wait(sum(gaps.expovariate(rate) for _ in range(requests)))
    except Exception:  # noqa: BLE001 - whatever it is, the report shall have it
        tally.fail("raised", traceback.format_exc(limit=-4))
    try:
        way.close()
    except Exception:  # noqa: BLE001
        tally.fail("raised", traceback.format_exc(limit=-4))


def main():
    target, seed, real, *ways = sys.argv[1:]
    stop = threading.Event()
    tallies, threads = {}, []
    for number, (name, wanted) in enumerate(way.split("=") for way in ways):
        count, rate = wanted.split(":")
        tally = tallies[name] = Tally(name)
        for thread in range(int(count)):
            source = Source([int(seed), number, thread], real or None)
            way = WAYS[name](Target(**json.loads(target)), source, tally)
            threads.append(threading.Thread(target=run, args=(way, tally, float(rate), stop), daemon=True))

    def report():
        print(json.dumps({name: tally.snapshot() for name, tally in tallies.items()}), flush=True)

    threading.Thread(target=lambda: (sys.stdin.read(), stop.set()), daemon=True).start()
    for thread in threads:
        thread.start()
    while not stop.wait(1):
        report()
    end = time.monotonic() + 120
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    for thread in threads:
        if thread.is_alive():
            stuck = traceback.extract_stack(sys._current_frames()[thread.ident], limit=6)  # pylint: disable=W0212
            next(iter(tallies.values())).fail("stuck", "".join(traceback.format_list(stuck)))
    report()


if __name__ == "__main__":
    main()
