#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""inferd's package on an emulated arm64 board, used as its user would use it; prints what was checked, and how long it took.

Nothing here says how fast inferd is: the board is emulated."""
import argparse
import contextlib
import json
import pathlib
import re
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from machine import Board, wait_until  # which also finds what is in tests/integration
from keys import Keys

MTLS_PORT = 8001
MEMORY_LIMIT_MB = 160  # of the service with a detector and a camera, page cache of its own files included

CAMERA = """
name: door
autostart: true
source: {{v4l2: {{device: {device}, width: 320, height: 180}}}}
stages:
  - letterbox
  - normalize: {{mean: 0, std: 1, order: bgr}}
  - infer: {{model: faces}}
  - decode_yunet: {{min_score: 0.5}}
  - nms: {{iou: 0.3}}
sinks:
  - jsonl: {{path: /var/lib/inferd/door.jsonl}}
"""

LISTENER = f"""    - address: 0.0.0.0:{MTLS_PORT}
      tls: {{certificate: tls/board.pem, key: tls/board.key, client_ca: tls/ca.pem}}
      allow: [{{roles: [admin], subjects: [operator]}}]
"""


GOVERNOR = """
governor:
  every_s: 1
  hold_s: 2
  release_s: 4
  steps: [{pipeline: door, max_fps: 0.5}]
"""


class Scenario:
    def __init__(self, arguments):
        self.arguments = arguments
        self.board = Board(arguments.image, ports=[MTLS_PORT])
        self.keys = Keys()
        self.rows = []

    @contextlib.contextmanager
    def step(self, name):
        begin = time.monotonic()
        seen = []
        try:
            yield seen.append
        except Exception as error:
            self.rows.append((name, time.monotonic() - begin, f"FAILED: {error}"))
            raise
        self.rows.append((name, time.monotonic() - begin, "; ".join(seen)))
        print(f"{name:42} {self.rows[-1][1]:6.1f} s  {self.rows[-1][2]}", flush=True)

    # What the board and its daemon say.

    def control(self, *words):
        """inferctl on the board."""
        return self.board.run("inferctl " + " ".join(words))

    def from_here(self, *words):
        """inferctl here, by TLS."""
        return subprocess.run([self.arguments.inferctl, "--endpoint", f"grpcs://localhost:{self.board.forwarded(MTLS_PORT)}",
                               "--ca", self.keys / "ca.pem", *words], capture_output=True, text=True)

    def remote(self, *words, check=True):
        """What it prints with a certificate."""
        done = self.from_here("--cert", self.keys / "operator.pem", "--key", self.keys / "operator.key", *words)
        if check:
            done.check_returncode()
        return done.stdout

    def unit(self, name):
        return self.board.run(f"systemctl show inferd --value --property={name}")

    def is_active(self):
        return self.unit("ActiveState") == "active"

    def pipeline(self, name="door"):
        return json.loads(self.control("pipeline", "show", name, "--json"))

    def wait_for_frames(self, more=2, of="door"):
        """So many more than there are now; what the pipeline says then."""
        before = self.pipeline(of)["processed"]

        def enough():
            state = self.pipeline(of)
            return state if state["processed"] >= before + more else None

        return wait_until(enough, f"{more} frames more than {before}")

    def classify(self):
        answer = self.control("infer classifier /var/tmp/grace_hopper.bmp --top 1 --deadline-ms 60000")
        if "military uniform" not in answer:
            raise AssertionError(answer)

    def memory(self):
        """MB of the daemon: all that is mapped (RSS), its share of that (PSS), and what of it is no file (anonymous). How much
        of files is mapped changes with what the page cache has of them."""
        text = self.board.run("cat /proc/$(systemctl show inferd --value --property=MainPID)/smaps_rollup")
        fields = {line.split(":")[0]: int(line.split()[1]) for line in text.splitlines()[1:]}
        return ", ".join(f"{name} {fields[field] / 1024:.1f} MB"
                         for name, field in (("RSS", "Rss"), ("PSS", "Pss"), ("anonymous", "Anonymous")))

    def models(self):
        return {model["name"]: model for model in json.loads(self.control("model", "list", "--json"))}

    # The steps.

    def boot(self):
        with self.step("boot to a login") as seen:
            self.board.boot()
            seen(self.board.run("uname -srm"))

    def install(self):
        with self.step("install the package") as seen:
            self.board.copy(self.arguments.package, to="/tmp/inferd.deb")
            self.board.run("dpkg --install /tmp/inferd.deb")
            seen(self.board.run("inferd --version"))
            seen(self.board.run("dpkg-query -W -f '${Installed-Size} kB installed' inferd"))
        with self.step("the service is up") as seen:
            wait_until(self.is_active, "the service")
            seen(self.unit("StatusText"))
            seen(f"without models: {self.memory()}")
            self.control("health")
            self.control("doctor")
            seen(f"once it was called: {self.memory()}")

    def serve(self):
        models = self.arguments.models
        with self.step("a classifier is deployed and answers") as seen:
            self.board.copy(models / "tflite/tf2_mobilenet_v2_1.0_224_ptq.tflite", models / "labels/imagenet_labels.txt",
                            models / "images/grace_hopper.bmp", to="/var/tmp/")
            self.control("model push /var/tmp/tf2_mobilenet_v2_1.0_224_ptq.tflite --name classifier --labels /var/tmp/imagenet_labels.txt --probation 0")
            self.classify()
            seen(f"military uniform; {self.memory()}")
        with self.step("a detector on a camera (V4L2: vivid)") as seen:
            self.board.copy(models / "onnx/yunet_n_320_320.onnx", to="/tmp/")
            self.control("model push /tmp/yunet_n_320_320.onnx --name faces --probation 0")
            self.board.run("modprobe vivid n_devs=1 node_types=1")
            device = wait_until(lambda: self.board.run("ls /dev/video* | head -1", check=False), "the camera")
            self.board.run("cat > /etc/inferd/pipelines/door.yaml", input=CAMERA.format(device=device))
            self.board.run("systemctl reload inferd")
            wait_until(lambda: "door" in self.control("pipeline list"), "the pipeline")
            state = self.wait_for_frames()
            seen(f"{state['processed']} frames, median latency {state['latency_median_ms']:.0f} ms")

    def watch_by_libcamera(self):
        with self.step("a detector on a camera (libcamera: vimc)") as seen:
            self.board.run("modprobe vimc")
            # One size that the simulated image signal processor has.
            self.control("setup camera --camera 'platform/vimc.0 Sensor B' --size 318x240 --model faces "
                         "--output /etc/inferd/pipelines/bench.yaml")
            self.board.run("systemctl reload inferd")
            wait_until(lambda: "bench" in self.control("pipeline list"), "the pipeline")
            state = self.wait_for_frames(of="bench")
            seen(f"{state['processed']} frames, median latency {state['latency_median_ms']:.0f} ms")
            self.board.run("rm /etc/inferd/pipelines/bench.yaml && systemctl reload inferd")
            wait_until(lambda: "bench" not in self.control("pipeline list"), "its end")

    def upgrade(self):
        """To the same package under a later version's name."""
        with self.step("upgrade the package") as seen:
            folder = self.board.folder / "upgrade"
            subprocess.run(["dpkg-deb", "--raw-extract", self.arguments.package, folder], check=True)
            control = folder / "DEBIAN/control"
            control.write_text(re.sub(r"(?m)^(Version: .*)$", r"\1+later", control.read_text()))
            later = self.board.folder / "later.deb"
            subprocess.run(["dpkg-deb", "--root-owner-group", "-Zgzip", "--build", folder, later], check=True, capture_output=True)
            shutil.rmtree(folder)
            self.board.copy(later, to="/tmp/later.deb")
            pid = self.unit("MainPID")
            self.board.run("dpkg --install /tmp/later.deb")
            seen(self.board.run("dpkg-query -W -f '${Version}' inferd"))
            wait_until(lambda: self.unit("MainPID") not in ("0", pid) and self.is_active(), "the service")
            drained = self.board.run("journalctl --no-pager -q -o cat -u inferd _PID=" + pid + " | tail -1")
            if self.board.run("test -s /etc/inferd/tls/board.pem && grep -c client_ca /etc/inferd/inferd.yaml") != "1":
                raise AssertionError("the configuration was changed")
            self.wait_for_frames()
            self.classify()
            seen(f"models and configuration stay; the daemon before it said at last: {drained}")

    def swap_from_afar(self):
        with self.step("gRPC from this machine, with certificates") as seen:
            self.keys.authority("ca")
            self.keys.certificate("board", "ca", "subjectAltName=DNS:localhost")
            self.keys.certificate("operator", "ca")
            self.board.run("install -d -m 750 -g inferd /etc/inferd/tls")
            self.board.copy(self.keys / "board.pem", self.keys / "board.key", self.keys / "ca.pem", to="/etc/inferd/tls/")
            self.board.run("chgrp inferd /etc/inferd/tls/*; chmod 640 /etc/inferd/tls/*")
            self.board.run("sed -i '/^  grpc:/r /dev/stdin' /etc/inferd/inferd.yaml", input=LISTENER)
            self.board.run("systemctl restart inferd")
            wait_until(self.is_active, "the service")
            wait_until(lambda: "classifier" in self.remote("status", check=False), "the status from here")
            seen("status")
            if self.from_here("status").returncode != 3:
                raise AssertionError("a client without a certificate was let in")
            seen("refused without a certificate")
        with self.step("push and swap while the camera runs") as seen:
            before = self.wait_for_frames()
            self.remote("model", "push", str(self.arguments.models / "onnx/yunet_n_320_320.onnx"), "--name", "faces",
                        "--version", "2", "--probation", "1")
            after = self.wait_for_frames()
            if after["failed"] != before["failed"]:
                raise AssertionError(f"frames failed in the swap: {after['last_error']}")
            seen(f"version {self.models()['faces']['version']}; no frame failed")

    def grow_warm(self):
        """A zone of the kernel's, whose driver here says what it is told to."""
        def warm(celsius):
            self.board.run(f"echo {celsius}000 > /sys/module/warm/parameters/temp")

        def governor():
            return json.loads(self.control("status", "--json"))["host"]["governor"]

        with self.step("the governor, as the board grows warm") as seen:
            self.board.run("modprobe warm")
            self.board.run("cat >> /etc/inferd/inferd.yaml", input=GOVERNOR)
            self.board.run("systemctl restart inferd")
            wait_until(self.is_active, "the service")
            self.wait_for_frames()
            if governor()["level"] != 0:
                raise AssertionError(governor())
            warm(76)
            wait_until(lambda: governor()["level"] == 1, "the step")
            seen(governor()["reason"])
            skipped = self.pipeline()["graph"][0]["drops"].get("skipped", 0)
            state = self.wait_for_frames()
            if state["graph"][0]["drops"].get("skipped", 0) <= skipped:
                raise AssertionError("no frame was left out")
            warm(60)
            wait_until(lambda: governor()["level"] == 0, "its end")
            self.wait_for_frames()
            seen("cooled down, and all is as before")

    def survive(self):
        with self.step("killed: back by itself") as seen:
            pid = self.unit("MainPID")
            self.board.run(f"kill -9 {pid}")
            wait_until(lambda: self.unit("MainPID") not in ("0", pid) and self.is_active(), "the service")
            self.wait_for_frames()
            seen(f"restarts: {self.unit('NRestarts')}")
        with self.step("the watchdog is fed") as seen:
            if self.unit("WatchdogUSec") in ("0", "infinity"):
                raise AssertionError("the unit has no watchdog")
            fed = self.unit("WatchdogTimestampMonotonic")
            wait_until(lambda: self.unit("WatchdogTimestampMonotonic") != fed, "a heartbeat")
            seen(f"every {self.unit('WatchdogUSec')} at least")
        # While it is sent, and while it is loaded and published; which of them it hits depends on this machine.
        for number, seconds in enumerate((1, 2, 4), start=2):
            with self.step(f"power cut {seconds} s into a push") as seen:
                self.cut_power_in_a_push(str(number), seconds)
                seen(f"serves version {self.models()['classifier']['version']} after it")

    def cut_power_in_a_push(self, version, seconds):
        arguments = ["model", "push", str(self.arguments.models / "tflite/tf2_mobilenet_v2_1.0_224_ptq.tflite"),
                     "--name", "classifier", "--version", version, "--labels",
                     str(self.arguments.models / "labels/imagenet_labels.txt"), "--raw", "--retry", "0", "--probation", "0"]
        with ThreadPoolExecutor(1) as pushing:
            pushed = pushing.submit(self.remote, *arguments, check=False)
            time.sleep(seconds)
            self.board.power_cut()
            pushed.result()
        self.board.boot()
        self.board.run("modprobe vivid n_devs=1 node_types=1")
        wait_until(self.is_active, "the service")
        self.wait_for_frames()
        self.classify()

    def measure(self):
        with self.step("memory and idle CPU") as seen:
            total = int(self.unit("MemoryCurrent")) / 2**20
            seen(f"with 2 models and a camera: {self.memory()}; the service {total:.1f} MB")
            if total > MEMORY_LIMIT_MB:
                raise AssertionError(f"more than {MEMORY_LIMIT_MB} MB")
            self.control("pipeline stop door")
            seconds = 20
            before = int(self.unit("CPUUsageNSec"))
            self.board.run(f"sleep {seconds}")
            seen(f"idle: {100 * (int(self.unit('CPUUsageNSec')) - before) / 1e9 / seconds:.2f} % of a core")

    def remove(self):
        with self.step("stop, remove, purge") as seen:
            self.board.run("systemctl stop inferd")
            if self.unit("Result") != "success":
                raise AssertionError(f"the service ended with {self.unit('Result')}")
            self.board.run("dpkg --remove inferd")
            self.board.run("test -e /etc/inferd/inferd.yaml && test -d /var/lib/inferd/models/faces")
            seen("configuration and models stay until the purge")
            # What the administrator wrote is the administrator's to remove.
            self.board.run("rm -r /etc/inferd/tls /etc/inferd/pipelines/door.yaml")
            self.board.run("dpkg --purge inferd")
            left = self.board.run("ls -d /etc/inferd /var/lib/inferd /run/inferd /usr/bin/inferd /usr/bin/inferctl 2>/dev/null",
                                  check=False)
            if left:
                raise AssertionError(f"left behind: {left}")
        with self.step("power off") as seen:
            self.board.power_off()

    def run(self):
        self.boot()
        self.install()
        self.serve()
        self.swap_from_afar()
        if not self.arguments.short:
            self.watch_by_libcamera()
            self.upgrade()
            self.grow_warm()
            self.survive()
            self.measure()
        self.remove()

    def tell_what_happened(self):
        log = pathlib.Path("build/board")
        log.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(Exception):
            (log / "journal.txt").write_text(self.board.run("journalctl --no-pager -o short-monotonic -u inferd -u inferd.socket"))
        (log / "console.txt").write_bytes(self.board.console.read_bytes())
        print(f"the board's log: {log}/journal.txt, {log}/console.txt", file=sys.stderr)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--image", required=True, type=pathlib.Path, help="folder of image.sh")
    parser.add_argument("--package", required=True, type=pathlib.Path)
    parser.add_argument("--inferctl", required=True, type=pathlib.Path, help="this machine's")
    parser.add_argument("--models", required=True, type=pathlib.Path)
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--keep", action="store_true")
    arguments = parser.parse_args()
    if not arguments.models.is_dir():
        print(f"SKIPPED: there are no models in {arguments.models}")
        return 77
    scenario = Scenario(arguments)
    begin = time.monotonic()
    try:
        scenario.run()
    except Exception as error:
        print(f"{scenario.rows[-1][0]}: {scenario.rows[-1][2]}", file=sys.stderr)
        scenario.tell_what_happened()
        if arguments.keep:
            board = scenario.board
            input(f"ssh -i {board.image}/key -p {board.forwarded(22)} root@127.0.0.1; Enter ends the board. ")
        return 1
    finally:
        scenario.board.remove()
        scenario.keys.remove()
    print(f"all of it: {time.monotonic() - begin:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
