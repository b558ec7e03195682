# SPDX-License-Identifier: Apache-2.0
"""The daemon as a process of its own, on a folder of its own: what all tests with a daemon begin and end with."""
import json
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

START_TIMEOUT_S = 120
STOP_TIMEOUT_S = 60


def wait_until(condition, what, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.005)


def free_port():
    """One that nobody listens on, yet."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def is_healthy(endpoint, timeout=60):
    """Whether a daemon serves there, asked with the Python client."""
    import inferd  # not every test with a daemon has it
    try:
        with inferd.Client(endpoint, timeout=timeout) as client:
            return client.health()
    except inferd.Error:
        return False


class DaemonProcess:
    """A test's own daemon fills the folder, calls configure() and start(), and adds what its clients need. At the end, stop()
    removes the folder; so does leaving a `with` block."""

    def __init__(self, program):
        self.program = program
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="inferd-test-"))
        self.config = self.folder / "inferd.yaml"
        self.process = None

    def add_model(self, name, model, version=1):
        """`model`: a file, or a dictionary, which tests/backends takes for a model (scripted_model.h)."""
        folder = self.folder / "models" / name / str(version)
        folder.mkdir(parents=True)
        if isinstance(model, dict):
            (folder / "model.test").write_text(json.dumps(model))
        else:
            shutil.copyfile(model, folder / ("model" + pathlib.Path(model).suffix))

    def configure(self, yaml):
        self.config.write_text(yaml)

    def launch(self, environment=None):
        """Starts it and does not wait. `environment`: that it has instead of this process's."""
        with open(self.folder / "log", "a") as log:
            self.process = subprocess.Popen([str(self.program), "--config", str(self.config)], stdout=log, stderr=log,
                                            cwd=self.folder, env=environment)

    def wait_until_it_serves(self, serves):
        """Until serves() is true; raises with the log when the process ends before."""
        try:
            wait_until(lambda: not self.alive() or serves(), "the daemon starts", START_TIMEOUT_S)
            ended = not self.alive()
        except AssertionError:
            ended = True
        if ended:
            text = self.text()
            self.stop()
            raise RuntimeError("the daemon did not start: " + text)

    def start(self, serves):
        self.launch()
        self.wait_until_it_serves(serves)

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def text(self):
        """What it has logged."""
        return (self.folder / "log").read_text()

    def kill(self):
        """At once, as a crash. It may be started again."""
        self.process.kill()
        self.process.wait(timeout=STOP_TIMEOUT_S)

    def terminate(self):
        """Its exit status after SIGTERM; the folder stays."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout=STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.kill()
            return "did not stop"

    def remove(self):
        shutil.rmtree(self.folder)

    def stop(self):
        """Its exit status after SIGTERM, or before it. The folder goes."""
        code = self.terminate()
        self.remove()
        return code

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        if self.folder.exists():
            self.stop()
