#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The image's file system, started as docker/compose.yaml starts it, used through its sockets from outside, killed and
stopped; prints what was checked. Needs root; no container engine takes part."""
import argparse
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import dockerfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT / "tests/integration"))
from daemon_process import wait_until  # noqa: E402

GRACE_S = 40  # stop_grace_period and terminationGracePeriodSeconds, as check_files.mjs holds them to it
DEVICE_GROUPS = ("video", "audio", "dialout", "gpio")


class Container:
    """One run of the image."""

    def __init__(self, root, stage, state, sockets, log):
        self.root, self.stage = root, stage
        self.environment = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                            "HOME": "/var/lib/inferd", "HOSTNAME": "test", **stage.environment()}
        self.process = subprocess.Popen(
            [HERE / "start.sh", root, stage.one("USER"), state, sockets, ROOT / "docker/inferd.yaml", *stage.command()],
            stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=self.environment)

    def first(self):
        """The host's number of the container's process 1, once there is one."""
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return wait_until_it_gives(lambda: children.read_text().split() or self.ended(), "process 1")[0]

    def ended(self):
        if self.process.poll() is not None:
            raise AssertionError(f"the container ended with {self.process.returncode}")

    def execute(self, *command):
        """As `docker exec` and probes do: in the same namespaces, as the same user."""
        user = self.stage.one("USER")
        return subprocess.run(
            ["nsenter", "--target", self.first(), "--mount", "--pid", "--ipc", "--uts", "--root", "--wd", "setpriv", "--reuid", user,
             "--regid", user, "--init-groups", "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all", *command],
            capture_output=True, text=True, env=self.environment, check=False)

    def healthy(self):
        self.ended()
        return self.execute(*self.stage.health_command()).returncode == 0

    def serve(self):
        options = self.stage.health_options()
        wait_until(self.healthy, "the health check", options["start-period"])

    def kill(self):
        os.kill(int(self.first()), signal.SIGKILL)
        self.process.wait()

    def stop(self):
        """Its exit status after the stop signal, and seconds; killed after the time that it gets."""
        begin = time.monotonic()
        os.kill(int(self.first()), getattr(signal, self.stage.one("STOPSIGNAL")))
        try:
            return self.process.wait(timeout=GRACE_S), time.monotonic() - begin
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"it did not stop within {GRACE_S} s") from None


def wait_until_it_gives(value, what):
    found = []

    def gives():
        found[:] = [value()]
        return bool(found[0])

    wait_until(gives, what)
    return found[0]


def files_of(root):
    """What there is, with size and time of change."""
    found = {}
    for folder, _, names in os.walk(root):
        for name in names:
            path = os.path.join(folder, name)
            status = os.lstat(path)
            found[path] = (status.st_size, status.st_mtime_ns)
    return found


class Scenario:
    def __init__(self, arguments, folder):
        self.arguments = arguments
        self.stage = dockerfile.read(ROOT / "docker/Dockerfile")[-1]
        self.user = int(self.stage.one("USER"))
        self.state, self.sockets = folder / "state", folder / "sockets"
        for volume, mode in ((self.state, 0o750), (self.sockets, 0o755)):
            volume.mkdir(mode=mode)
            os.chown(volume, self.user, self.user)
        self.log = open(folder / "log", "ab")
        # The same program, outside.
        subprocess.run(["dpkg-deb", "--extract", arguments.package, folder / "here"], check=True)
        self.inferctl = folder / "here/usr/bin/inferctl"
        self.container = None

    def start(self):
        self.container = Container(self.arguments.root, self.stage, self.state, self.sockets, self.log)
        self.container.serve()

    def control(self, *words, endpoint="unix:{}/inferd.sock", **options):
        """inferctl outside of the container, by the socket in the volume."""
        return subprocess.run([self.inferctl, "--endpoint", endpoint.format(self.sockets), *words], capture_output=True,
                              text=True, check=False, **options)

    def said(self, *words, **options):
        done = self.control(*words, **options)
        if done.returncode != 0:
            raise AssertionError(f"inferctl {' '.join(map(str, words))}: {done.stdout}{done.stderr}")
        return done.stdout

    def classify(self):
        picture = self.arguments.models / "images/grace_hopper.bmp"
        # The class by its name, and by its number, which is all that the local socket knows.
        for endpoint, name in (("unix:{}/inferd.sock", "military uniform"), ("local:{}/local.sock", " 653 ")):
            answer = self.said("infer", "classifier", picture, "--top", "1", endpoint=endpoint)
            if name not in answer:
                raise AssertionError(answer)

    # The steps.

    def confined(self):
        """No capability, no way to get one, the user and its groups; a root that cannot be written."""
        status = dict(line.split(":\t", 1) for line in
                      pathlib.Path(f"/proc/{self.container.first()}/status").read_text().splitlines() if ":\t" in line)
        for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            assert int(status[name], 16) == 0, (name, status[name])
        assert status["NoNewPrivs"] == "1" and status["NSpid"].split()[-1] == "1", status
        assert status["Uid"].split() == [str(self.user)] * 4, status["Uid"]
        numbers = {line.split(":")[0]: line.split(":")[2] for line in
                   (self.arguments.root / "etc/group").read_text().splitlines()}
        missing = [name for name in DEVICE_GROUPS if numbers[name] not in status["Groups"].split()]
        assert not missing, f"not in the groups {missing}"
        mounts = self.container.execute("cat", "/proc/self/mounts").stdout.splitlines()
        writable = sorted(line.split()[1] for line in mounts if "rw" in line.split()[3].split(","))
        expected = sorted([*self.stage.volumes(), "/dev", "/dev/shm", "/proc", "/tmp",
                           *(f"/dev/{name}" for name in ("null", "zero", "full", "random", "urandom"))])
        assert writable == expected, writable
        refused = self.container.execute("touch", "/etc/inferd/x", "/usr/x").stderr
        assert refused.count("Read-only file system") == 2, refused
        return f"user {self.user}, no capabilities; RSS {int(status['VmRSS'].split()[0]) / 1024:.1f} MB"

    def deployed(self):
        models = self.arguments.models
        self.said("model", "push", models / "tflite/tf2_mobilenet_v2_1.0_224_ptq.tflite", "--name", "classifier", "--labels",
                  models / "labels/imagenet_labels.txt", "--probation", "0")
        self.classify()
        return "military uniform, by gRPC and by shared memory"

    def guarded(self):
        """Who has neither the user nor its group cannot connect."""
        done = self.control("health", user=65534, group=65534, extra_groups=[])
        assert done.returncode == 3, (done.returncode, done.stdout, done.stderr)

    def killed(self):
        self.container.kill()
        assert self.control("health").returncode == 3
        self.start()
        self.classify()
        return "the version that was pushed serves again, on the sockets that were left behind"

    def stopped(self):
        load = subprocess.Popen([self.inferctl, "--endpoint", f"unix:{self.sockets}/inferd.sock", "load", "classifier",
                                 "--concurrency", "2", "--duration", "60"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

        def inferences():
            return sum(model["inferences"] for model in json.loads(self.said("status", "--json"))["models"])

        before = inferences()
        wait_until(lambda: inferences() > before, "requests are on their way")
        status, seconds = self.container.stop()
        load.terminate()
        load.wait()
        assert status == 0, f"it ended with {status}"
        return f"exit 0 under load after {seconds:.1f} s"

    def kept(self, before):
        after = files_of(self.arguments.root)
        changed = [path for path in before.keys() | after.keys() if before.get(path) != after.get(path)]
        assert not changed, changed
        return "kept: " + ", ".join(sorted(path.name for path in self.state.iterdir()))

    def run(self):
        before = files_of(self.arguments.root)

        def step(name, act):
            begin = time.monotonic()
            said = act() or ""
            print(f"{name:46} {time.monotonic() - begin:5.1f} s  {said}", flush=True)

        step("starts and passes its health check", self.start)
        step("is confined", self.confined)
        step("takes a model and answers", self.deployed)
        step("is closed to others", self.guarded)
        step("comes back after SIGKILL", self.killed)
        step("stops", self.stopped)
        step("wrote nothing outside of its volumes", lambda: self.kept(before))


def print_sizes(root, base):
    size = sum(status[0] for status in files_of(root).values())
    packed = [subprocess.run(command, shell=True, check=True, capture_output=True, text=True).stdout
              for command in (f"tar -c -C '{root}' . | gzip -1 | wc -c", f"gzip -1 <'{base}' | wc -c")]
    print(f"the image: {size / 1e6:.0f} MB, of which {base.stat().st_size / 1e6:.0f} MB are Debian's smallest; compressed "
          f"{int(packed[0]) / 1e6:.0f} MB, of which {int(packed[1]) / 1e6:.0f} MB")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--package", required=True, help="inferd's package that is in the image")
    parser.add_argument("--models", type=pathlib.Path, required=True, help="folder of real models")
    parser.add_argument("--base", type=pathlib.Path, required=True, help="the archive that base.sh has made")
    parser.add_argument("root", type=pathlib.Path, help="what assemble.py has made")
    arguments = parser.parse_args()
    if os.geteuid() != 0:
        parser.error("this needs root")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="inferd-container-"))
    # Others must reach the socket to be refused.
    folder.chmod(0o755)
    scenario = Scenario(arguments, folder)
    try:
        scenario.run()
    except Exception:
        print((folder / "log").read_text(), file=sys.stderr)
        raise
    finally:
        if scenario.container is not None and scenario.container.process.poll() is None:
            scenario.container.process.kill()
            scenario.container.process.wait()
        scenario.log.close()
        shutil.rmtree(folder)
    print_sizes(arguments.root, arguments.base)


if __name__ == "__main__":
    main()
