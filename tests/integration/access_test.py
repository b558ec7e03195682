#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Who may do what: a real daemon and clients of other users."""
import argparse
import json
import os
import pathlib
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import unittest

ARGS = None
NOBODY = 65534


def wait_until(condition, what, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"did not happen: {what}")
        time.sleep(0.01)


class Daemon:
    """A daemon with one scripted model, `copy`, on its own folder, which everybody may enter."""

    def __init__(self, server, files=()):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="inferd-access-"))
        self.folder.chmod(0o755)
        model = self.folder / "models/copy/1/model.test"
        model.parent.mkdir(parents=True)
        model.write_text(json.dumps({"backend": "identity", "inputs": [{"shape": [-1, 2]}]}))
        for name, text, mode in files:
            (self.folder / name).write_text(text)
            (self.folder / name).chmod(mode)
        (self.folder / "inferd.yaml").write_text(f"server:\n{server}models: {{root: models}}\n")
        self.log = open(self.folder / "log", "w+")
        self.process = subprocess.Popen([ARGS.inferd, "--config", str(self.folder / "inferd.yaml")],
                                        stdout=self.log, stderr=self.log, cwd=self.folder)

    def wait(self, name):
        wait_until(lambda: self.process.poll() is not None or (self.folder / name).exists(), "the daemon starts")
        assert self.process.poll() is None, self.text()

    def text(self):
        self.log.flush()
        return (self.folder / "log").read_text()

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=30)
        self.log.close()
        shutil.rmtree(self.folder)
        return code


def as_user(user, function):
    """What `function` returns, as text, in a process of `user`."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(user)
            os.setuid(user)
            text = function()
        except Exception as error:  # the parent shall see it
            text = f"failed: {error!r}"
        os.write(writer, text.encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    return text


def hello(path):
    """The daemon's answer to the first frame of the local socket: "ok", or its message."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
        client.settimeout(30)
        client.connect(str(path))
        try:
            client.send(struct.pack("<IHHQIHH", 24, 1, 0, 1, 0x4C444649, 1, 1))
        except BrokenPipeError:
            pass  # it was refused already, and the reason waits
        data = client.recv(1 << 16)
    _, _, status, _ = struct.unpack_from("<IHHQ", data)
    return f"{status}: {data[16:].decode()}" if status else "ok"


@unittest.skipIf(os.getuid() != 0, "SKIPPED: only root can be somebody else")
class LocalSocket(unittest.TestCase):
    def setUp(self):
        self.daemon = Daemon("  grpc: [unix:grpc.sock]\n"
                             "  local: [{path: local.sock, mode: '0666', allow: [{roles: [infer], users: [root]},\n"
                             "                                                   {roles: [observe], everyone: true}]}]\n")
        self.daemon.wait("local.sock")

    def tearDown(self):
        self.assertEqual(self.daemon.stop(), 0)

    def test_only_who_has_the_role_runs_models(self):
        path = self.daemon.folder / "local.sock"
        self.assertEqual(hello(path), "ok")
        self.assertEqual(as_user(NOBODY, lambda: hello(path)),
                         "7: the local socket needs the role 'infer', and the caller has: observe")
        self.assertEqual(hello(path), "ok")


class Mistakes(unittest.TestCase):
    def refused(self, server, files=()):
        daemon = Daemon(server, files)
        daemon.process.wait(timeout=30)
        text = daemon.text()
        self.assertEqual(daemon.stop(), 1)
        return text

    def test_a_user_that_does_not_exist(self):
        text = self.refused("  grpc: [unix:grpc.sock]\n  local: [{path: local.sock, allow: [{roles: [infer], users: [nobody-at-all]}]}]\n")
        self.assertIn("inferd.yaml:3:38: there is no user 'nobody-at-all'", text)


def main():
    global ARGS
    parser = argparse.ArgumentParser()
    parser.add_argument("--inferd", required=True)
    ARGS, rest = parser.parse_known_args()
    unittest.main(argv=[sys.argv[0]] + rest, verbosity=2)


if __name__ == "__main__":
    main()
