#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Cameras on one detector for a long time: does latency grow, and what does a frame cost beside the model?

Starts a daemon with one pipeline: N sources of pictures at a rate, one node that detects in batches (FastestDet in 8 bits). Prints a line each
minute (frames, drops, latency from capture to result, memory, threads) and at the end what a frame cost in computing
time, in all and without the model's runs. Exit status 1: latency grew, or the 99th percentile was above twice the median."""
import argparse
import os
import pathlib
import statistics
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "integration"))
import inferd  # noqa: E402
from daemon_process import DaemonProcess  # noqa: E402

PHOTOS = ["street_0.jpg", "street_1.jpg", "street_2.jpg", "street_3.jpg"]


def make_pictures(folder, photo):
    """640x480 pictures cut out of a photo, as a camera's."""
    folder.mkdir()
    subprocess.run(["gst-launch-1.0", "-q", "filesrc", f"location={photo}", "!", "jpegdec", "!", "videoconvert", "!",
                    "videoscale", "add-borders=false", "!", "video/x-raw,width=640,height=480", "!", "jpegenc", "!",
                    "filesink", f"location={folder / 'picture.jpg'}"], check=True, timeout=60)


def make_model(arguments, folder):
    """FastestDet in 8 bits, calibrated with the photos."""
    photos = folder / "photos"
    photos.mkdir()
    for photo in PHOTOS:
        (photos / photo).symlink_to(arguments.models / "images" / photo)
    model = folder / "detector.onnx"
    subprocess.run([str(arguments.inferctl), "quantize", str(arguments.models / "onnx/FastestDet.onnx"), "-o", str(model),
                    "--calibrate", str(photos), "--preprocess", "bgr,mean=0,std=255", "--bias-correct", "--integer-inputs"], check=True,
                   stdout=subprocess.DEVNULL, timeout=300)
    return model


def configuration(arguments, folder):
    lines = ["server: {grpc: ['unix:grpc']}", "engine: {threads: 1}", "models:", "  root: models",
             f"  serve: [{{name: detector, max_batch: {arguments.cameras}, max_delay_us: {arguments.delay_us}}}]",
             "pipelines:", "  - name: cameras", "    nodes:"]
    for i in range(arguments.cameras):
        make_pictures(folder / f"camera{i}", arguments.models / "images" / PHOTOS[i % len(PHOTOS)])
        lines.append(f"      camera{i}: {{source: {{images: {{path: {folder}/camera{i}, fps: {arguments.fps}, "
                     "loop: true}}}")
    names = ", ".join(f"camera{i}" for i in range(arguments.cameras))
    lines += ["      detect:", f"        from: [{names}]",
              "        stages: [resize, normalize: {mean: 0, std: 255, order: bgr}, infer: {model: detector}, "
              "decode_fastestdet: {min_score: 0.4}, nms]"]
    return "\n".join(lines) + "\n"


class Watched:
    """The daemon while it runs."""

    def __init__(self, daemon):
        self.daemon = daemon
        self.client = inferd.Client(f"unix:{daemon.folder}/grpc", timeout=60)

    def ready(self):
        try:
            return self.client.health()
        except inferd.Error:
            return False

    def cpu_seconds(self):
        fields = pathlib.Path(f"/proc/{self.daemon.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory_mb(self):
        status = pathlib.Path(f"/proc/{self.daemon.process.pid}/status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) / 1024

    def threads(self):
        return len(os.listdir(f"/proc/{self.daemon.process.pid}/task"))

    def model_seconds(self):
        """What the model's runs took, on one thread."""
        found = next(s for s in self.client.statistics() if s.name == "detector")
        return sum(runs.ns for runs in found.batches.values()) / 1e9

    def pipeline(self):
        return next(p for p in self.client.pipelines() if p.name == "cameras")


def watch(arguments, daemon):
    watched = Watched(daemon)
    daemon.start(watched.ready)
    time.sleep(5)  # models and buffers are warm
    first, cpu, model = watched.pipeline(), watched.cpu_seconds(), watched.model_seconds()
    minutes = []
    for minute in range(arguments.minutes):
        time.sleep(60)
        p = watched.pipeline()
        minutes.append((p.latency_median_ms, p.latency_p99_ms))
        print(f"minute {minute + 1}: {p.processed} frames, {p.dropped} dropped, {p.failed} failed, {p.processed_fps:.1f} fps; "
              f"median {p.latency_median_ms:.1f} ms, p99 {p.latency_p99_ms:.1f} ms; {watched.memory_mb():.1f} MB, "
              f"{watched.threads()} threads", flush=True)
    last = watched.pipeline()
    frames = last.processed - first.processed
    cpu, model = watched.cpu_seconds() - cpu, watched.model_seconds() - model
    print(f"{frames} frames: {cpu / frames * 1e3:.3f} ms of computing time each, {(cpu - model) / frames * 1e3:.3f} ms "
          f"without the model's runs")
    return minutes


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--inferd", type=pathlib.Path, required=True)
    parser.add_argument("--models", type=pathlib.Path, required=True)
    parser.add_argument("--inferctl", type=pathlib.Path, required=True)
    parser.add_argument("--cameras", type=int, default=4)
    parser.add_argument("--fps", type=float, default=30)
    parser.add_argument("--delay-us", type=int, default=2000, help="that the first frame of a batch waits for others")
    parser.add_argument("--minutes", type=int, default=10)
    arguments = parser.parse_args()
    arguments.models = arguments.models.resolve()  # linked to
    with DaemonProcess(arguments.inferd.resolve()) as daemon:
        daemon.add_model("detector", make_model(arguments, daemon.folder))
        daemon.configure(configuration(arguments, daemon.folder))
        minutes = watch(arguments, daemon)
    early = statistics.median(m for m, _ in minutes[:max(1, len(minutes) // 3)])
    late = statistics.median(m for m, _ in minutes[-max(1, len(minutes) // 3):])
    worst = statistics.median(p99 / median for median, p99 in minutes)
    print(f"median latency {early:.1f} ms at first, {late:.1f} ms at last; p99 is {worst:.2f} times the median")
    # How cameras of the same rate lie to each other drifts, and with it which frames share a batch: that alone moves the
    # median by a quarter, up and down again.
    return 0 if late < 1.5 * early and worst < 2 else 1


if __name__ == "__main__":
    sys.exit(main())
