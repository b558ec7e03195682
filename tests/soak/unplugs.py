#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Everything that pipelines hang on goes away and comes back, many times, all at once.

One daemon with a pipeline for each source and sink that runs without hardware. Cameras, brokers and servers are killed and
started again, clients cut off, a disk filled, sensors pulled out. After each time, the pipeline must have come back by
itself: new results arrive. At the end the daemon must have no more memory, threads and descriptors than after the first
rounds. Exit status 1: something did not come back, or grew. 77: something it needs is missing."""
import argparse
import contextlib
import pathlib
import shutil
import statistics
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "integration"))
try:
    import inferd
    import plugs
    from daemon_process import wait_until
    from watched_daemon import WatchedDaemon
except ImportError as error:
    print(f"SKIPPED: {error}; install python3-grpcio, python3-numpy and python3-setuptools, and build inferd-python")
    sys.exit(77)

PATIENCE_S = 60  # for coming back: the longest pause between two tries is ten seconds


class Watch:
    """The pipelines as the daemon sees them; asked of it at most every 50 ms, by however many threads."""

    def __init__(self):
        self._lock = threading.Lock()
        self._client = None
        self._asked, self._seen = 0, {}

    def connect(self, endpoint):
        self._client = inferd.Client(endpoint, timeout=60)

    def __call__(self, name):
        with self._lock:
            if time.monotonic() - self._asked > 0.05:
                self._seen = {p.name: p for p in self._client.pipelines()}
                self._asked = time.monotonic()
            return self._seen[name]


def make_plugs(arguments, watch, folder, daemon):
    made = [plugs.PictureFolder(watch, folder, sorted((arguments.models / "images").glob("street_*.jpg"))[:3]),
            plugs.Pipe(watch, folder), plugs.Datagrams(watch), plugs.SerialLine(watch, folder), plugs.WebServer(watch),
            plugs.Receiver(watch), plugs.Browsers(watch), plugs.Scanner(watch),
            plugs.Pusher(watch, lambda: f"local:{daemon().target.local}"),
            plugs.Library(watch, arguments.brightness, lambda: plugs.hosts_of(daemon().process.pid))]
    if arguments.iio:
        made.append(plugs.Sensors(watch))
    if arguments.rtsp_server:
        made.append(plugs.NetworkCamera(watch, arguments.rtsp_server))
    broker = shutil.which("mosquitto", path="/usr/sbin:/usr/bin")
    if broker:
        made += [plugs.Broker(watch, folder, broker), plugs.Publisher(watch, folder, broker)]
    try:
        made += [plugs.Disk(watch, folder, arguments.brightness), plugs.Archive(watch, folder)]
    except Exception as error:  # noqa: BLE001: whoever may not mount runs the rest
        print(f"no disk is filled: {error}")
    return made


def steady_pipelines(arguments):
    """What is never pulled out runs beside."""
    audio, video = arguments.models / "audio/yes.wav", arguments.models / "video/vtest_15s_h264.mp4"
    sources = {"wav": {"wav": {"path": str(audio), "loop": True}}}
    if arguments.rtsp_server:
        sources["gstreamer"] = {"gstreamer": {"launch": "videotestsrc is-live=true ! video/x-raw,width=64,height=48,framerate=10/1"}}
        sources["video"] = {"video": {"path": str(video), "loop": True}}
    return [{"name": name, "source": source, "stages": [], "sinks": []} for name, source in sources.items()]


class Round:
    """One plug, pulled and put back so many times."""

    def __init__(self, plug):
        self.plug, self.seconds, self.failure = plug, [], None

    def run(self, times):
        try:
            for number in range(times):
                what = f"{self.plug.name}, {number + 1}"
                self.plug.unplug()
                wait_until(self.plug.noticed, f"{what}: it is noticed", PATIENCE_S)
                self.plug.plug()
                self.plug.mark()
                begin = time.monotonic()
                wait_until(self.plug.is_back, f"{what}: it is back", PATIENCE_S)
                self.seconds.append(time.monotonic() - begin)
        except Exception as error:  # noqa: BLE001: a thread's, told at the end
            self.failure = f"{type(error).__name__}: {error}"


def pull_all(made, times):
    rounds = [Round(plug) for plug in made]
    threads = [threading.Thread(target=one.run, args=(times,), daemon=True) for one in rounds]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return rounds


def most_use(daemon, seconds=5):
    """The most that it has for a while: some connections come and go with every result."""
    uses = []
    for _ in range(int(seconds * 10)):
        uses.append(daemon.use())
        time.sleep(0.1)
    return max(uses, key=lambda use: use.descriptors), max(uses, key=lambda use: use.threads)


def settled_use(daemon, before, at_most_s=60):
    end = time.monotonic() + at_most_s
    while True:
        use = most_use(daemon)
        grown = use[0].descriptors > before[0].descriptors or use[1].threads_beyond(before[1]) > 0
        if not grown or time.monotonic() > end:
            return use


def report(rounds):
    for one in rounds:
        if one.seconds:
            print(f"{one.plug.name:11} {len(one.seconds):4} times; back after {statistics.median(one.seconds):.2f} s (median), "
                  f"{max(one.seconds):.2f} s (longest)")
    failures = [f"{one.plug.name}: {one.failure}" for one in rounds if one.failure]
    for text in failures:
        print(f"FAILED: {text}")
    return failures


def soak(arguments, folder):
    watch = Watch()
    daemon = None
    made = make_plugs(arguments, watch, folder, lambda: daemon)
    try:
        daemon = WatchedDaemon(arguments.inferd.resolve(), lambda unused: None,
                               pipelines=[plug.config for plug in made] + steady_pipelines(arguments))
        with daemon:
            watch.connect(daemon.target.grpc)
            for plug in made:
                plug.plug()
            for plug in made:
                wait_until(plug.is_back, f"{plug.name} begins", PATIENCE_S)
            failures = report(pull_all(made, arguments.warm_up))
            before = most_use(daemon)
            print(f"after {arguments.warm_up} rounds: {before[0].text()}", flush=True)
            failures += report(pull_all(made, arguments.times))
            after = settled_use(daemon, before)
            print(f"after {arguments.times} more: {after[0].text()}")
            grown_kb = min(use.anonymous_kb for use in after) - max(use.anonymous_kb for use in before)
            for what, much in (("descriptors", after[0].descriptors - before[0].descriptors),
                               ("threads", after[1].threads_beyond(before[1])),
                               ("kB", grown_kb if grown_kb > arguments.slack_kb else 0)):
                if much > 0:
                    failures.append(f"{much} more {what}: {after[1].thread_names}")
            failed = [p["name"] for p in steady_pipelines(arguments) if watch(p["name"]).state != "running"]
            if failed or len(plugs.hosts_of(daemon.process.pid)) != 1:
                failures.append(f"not running: {failed}; processes: {plugs.hosts_of(daemon.process.pid)}")
            if failures:
                print(daemon.log_tail())
            code = daemon.terminate()
            return failures + ([f"exit status {code}"] if code != 0 else [])
    finally:
        for plug in made:
            with contextlib.suppress(Exception):  # it may be pulled out already
                plug.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--inferd", type=pathlib.Path, required=True)
    parser.add_argument("--models", type=pathlib.Path, required=True)
    parser.add_argument("--brightness", type=pathlib.Path, required=True, help="the example of a stage")
    parser.add_argument("--rtsp-server", type=pathlib.Path, help="tests/integration/rtsp-server; without, no GStreamer")
    parser.add_argument("--iio", action="store_true", help="inferd was built with libiio")
    parser.add_argument("--times", type=int, default=100)
    parser.add_argument("--warm-up", type=int, default=10)
    parser.add_argument("--slack-kb", type=int, default=4096, help="more anonymous memory in the end")
    arguments = parser.parse_args()
    arguments.models, arguments.brightness = arguments.models.resolve(), arguments.brightness.resolve()
    if not (arguments.models / "images").is_dir():
        print(f"SKIPPED: no pictures and sounds in {arguments.models}")
        return 77
    with tempfile.TemporaryDirectory(prefix="inferd-plugs-") as folder:
        failures = soak(arguments, pathlib.Path(folder))
    for text in failures:
        print(f"FAILED: {text}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
