#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Instructions that the daemon spends on a request, by callgrind: the same on a noisy machine as on a quiet one.

    instructions.py --inferd PROGRAM MODEL

Prints rows of a Markdown table. What passes within the model's runs is subtracted; the system's own share is not seen.
"""
import argparse
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import numpy as np

import inferd

WARM_UP, REQUESTS = 200, 1000


def instructions(folder, program, config, requests):
    """Of a daemon's whole life with so many requests, less those within runs of the model. `requests` makes them."""
    out = folder / "callgrind"
    daemon = subprocess.Popen(["valgrind", "--tool=callgrind", "-q", f"--callgrind-out-file={out}", program, "--config",
                               str(config)])
    try:
        requests()
    finally:
        daemon.send_signal(signal.SIGTERM)
        daemon.wait(timeout=60)
    text = subprocess.run(["callgrind_annotate", "--inclusive=yes", "--show-percs=no", "--threshold=100", str(out)],
                          check=True, capture_output=True, text=True).stdout
    total = re.search(r"^ *([\d,]+) +PROGRAM TOTALS", text, re.MULTILINE)
    model = re.search(r"^ *([\d,]+) .*ModelContext::run\(", text, re.MULTILINE)
    return int(total.group(1).replace(",", "")) - int(model.group(1).replace(",", ""))


def requests_to(endpoint, count):
    with inferd.Client(endpoint, timeout=60) as client:
        wait_until_ready(client)
        model = client.model("model")
        data = {i.name: np.zeros([max(1, d) for d in i.shape], i.dtype) for i in model.inputs}
        if endpoint.startswith("local:"):
            request = client.buffers("model", shapes={name: array.shape for name, array in data.items()}).infer
        else:
            def request():
                client.infer("model", data)
        for _ in range(count):
            request()


def wait_until_ready(client):
    deadline = time.monotonic() + 120
    while True:
        try:
            if client.health():
                return
        except inferd.Error:
            pass
        if time.monotonic() > deadline:
            sys.exit("the daemon does not answer")
        time.sleep(0.1)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inferd", required=True)
    parser.add_argument("model", type=pathlib.Path)
    args = parser.parse_args()
    print("| way | instructions of a request beside the model |\n| --- | ---: |")
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        version = folder / "models/model/1"
        version.mkdir(parents=True)
        shutil.copyfile(args.model, version / ("model" + args.model.suffix))
        config = folder / "inferd.yaml"
        config.write_text("server: {grpc: [unix:g], local: [l]}\nengine: {threads: 1}\nlog: {level: warning}\n"
                          "models: {root: models}\n")
        for way, endpoint in (("local socket", f"local:{folder}/l"), ("gRPC over a Unix socket", f"unix:{folder}/g")):
            def of(count):
                return instructions(folder, args.inferd, config, lambda: requests_to(endpoint, count))
            print(f"| {way} | {(of(WARM_UP + REQUESTS) - of(WARM_UP)) / REQUESTS:,.0f} |")


if __name__ == "__main__":
    main()
