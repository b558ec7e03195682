#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""How long the daemon takes from its start to READY, and what memory it has: without models, and with one that has
answered requests for a second. Medians of several starts, files in the page cache.

    tests/bench/start.py --inferd FILE --inferctl FILE --model FILE [--starts N]

MODEL is compiled first (`inferctl compile`), as a push does. PSS counts of what programs share its share; run it where nothing
else of inferd runs. Nothing here is a test."""
import argparse
import pathlib
import socket
import statistics
import subprocess
import tempfile
import time


def start(inferd, folder, environment):
    """The process, and how long it took to say that it is ready, in milliseconds."""
    notified = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    path = folder / "notify"
    path.unlink(missing_ok=True)
    notified.bind(str(path))
    notified.settimeout(60)
    begin = time.perf_counter()
    process = subprocess.Popen([inferd, "--config", folder / "inferd.yaml"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                               env={**environment, "NOTIFY_SOCKET": str(path)})
    while b"READY=1" not in notified.recv(1 << 16):
        pass
    return process, 1000 * (time.perf_counter() - begin)


def memory(process):
    """RSS, PSS and what it has alone, in MB."""
    fields = {}
    for line in pathlib.Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines()[1:]:
        name, value = line.split(":")
        fields[name] = int(value.split()[0]) / 1024
    return fields["Rss"], fields["Pss"], fields["Private_Clean"] + fields["Private_Dirty"]


def measure(arguments, folder, serve):
    folder.joinpath("inferd.yaml").write_text(
        f"server:\n  grpc: ['unix:{folder}/grpc']\n  local: [{{path: {folder}/local}}]\nmodels:\n  root: {folder}/models\n{serve}")
    times, sizes = [], []
    for _ in range(arguments.starts):
        process, milliseconds = start(arguments.inferd, folder, {"PATH": "/usr/bin:/bin"})
        if serve:
            subprocess.run([arguments.inferctl, "--endpoint", f"unix:{folder}/grpc", "load", "model", "--duration", "1"],
                           check=True, stdout=subprocess.DEVNULL)
        times.append(milliseconds)
        sizes.append(memory(process))
        process.terminate()
        process.wait()
    size = [statistics.median(column) for column in zip(*sizes)]
    return f"{statistics.median(times):.0f} ms | {size[0]:.1f} MB | {size[1]:.1f} MB | {size[2]:.1f} MB"


def main():
    parser = argparse.ArgumentParser()
    for name in ("inferd", "inferctl", "model"):
        parser.add_argument(f"--{name}", type=pathlib.Path, required=True)
    parser.add_argument("--starts", type=int, default=15)
    arguments = parser.parse_args()
    print("| | start to READY | RSS | PSS | its own |\n| --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory(prefix="inferd-start-") as name:
        folder = pathlib.Path(name)
        folder.joinpath("models").mkdir()
        print(f"| without models | {measure(arguments, folder, '')} |", flush=True)
        place = folder / "models/model/1"
        place.mkdir(parents=True)
        subprocess.run([arguments.inferctl, "compile", arguments.model, "--output", place / "model.ifd"], check=True,
                       stdout=subprocess.DEVNULL)
        print(f"| {arguments.model.name} | {measure(arguments, folder, '  serve: [{name: model}]')} |")


if __name__ == "__main__":
    main()
