#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The daemon as systemd's service: what it says, the sockets that it is given and that outlive it, the watchdog, the journal,
and the restrictions of its unit."""
import argparse
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import unittest

from daemon_process import free_port, wait_until
from fake_systemd import Service
from local_protocol import Client

try:
    import inferd
    import numpy as np
except ImportError as error:
    print(f"SKIPPED: {error}; install python3-grpcio, python3-numpy and python3-setuptools, and build inferd-python")
    sys.exit(77)

ARGS = None
PATIENCE_S = 60
COPY = {"backend": "identity", "inputs": [{"datatype": "FP32", "shape": [2]}]}
LONG_US = 1_000_000_000  # longer than any test waits


class InThread:
    """What a client does while the daemon does something else."""

    def __init__(self, function):
        self._function, self._result, self._error = function, None, None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        try:
            self._result = self._function()
        except Exception as error:  # for who waits
            self._error = error

    def done(self):
        return not self._thread.is_alive()

    def result(self):
        self._thread.join(PATIENCE_S)
        assert self.done(), "no answer"
        if self._error is not None:
            raise self._error
        return self._result


def listening(path, kind):
    """As a socket unit would have made it."""
    one = socket.socket(socket.AF_UNIX, kind)
    one.bind(str(path))
    os.chmod(path, 0o660)
    one.listen(16)
    return one


class ServiceTest(unittest.TestCase):
    def service(self, models=None, server="", **options):
        """With models {name: what it is} on two Unix sockets and a port; not started yet."""
        service = Service(ARGS.inferd, **options)
        self.addCleanup(service.__exit__)
        for name, model in (models or {"copy": COPY}).items():
            service.add_model(name, model)
        service.port = free_port()
        self.configure(service, f"[unix:grpc, '127.0.0.1:{service.port}']", ", local: [local]" + server)
        return service

    @staticmethod
    def configure(service, grpc, more):
        service.configure(f"server: {{grpc: {grpc}{more}}}\nengine: {{threads: 2}}\nmodels: {{root: models}}\n")

    def ask(self, endpoint, model="copy", timeout=PATIENCE_S):
        value = np.array([1, 2], np.float32)
        with inferd.Client(endpoint, timeout=timeout) as client:
            name = client.model(model).outputs[0].name
            np.testing.assert_array_equal(client.infer(model, {"INPUT0": value})[name], value)
        return True

    def ask_all(self, service):
        self.ask(f"unix:{service.folder}/grpc")
        self.ask(f"127.0.0.1:{service.port}")
        self.ask_local(service)

    @staticmethod
    def ask_local(service):
        with Client(service.folder / "local") as client:
            assert client.bind("copy").status == 0
        return True

    @staticmethod
    def first_byte(family, address):
        with socket.socket(family, socket.SOCK_STREAM) as client:
            client.settimeout(PATIENCE_S)
            client.connect(address)
            return client.recv(1)

    # ---- What it says ----

    def test_says_what_it_does_from_start_to_end(self):
        service = self.service({"first": COPY, "second": dict(COPY, load_ms=100)}, ", drain_timeout_ms: 2000").begin()
        said = service.systemd
        self.assertEqual(said.values("STATUS"), ["loading 1 of 2: first", "loading 2 of 2: second", "building pipelines",
                                                 "serving 2 models"])
        ready = next(i for i, message in enumerate(said.messages) if "READY" in message)
        self.assertEqual(said.messages[ready - 1], {"STATUS": "serving 2 models"})
        before = time.monotonic_ns() // 1000
        service.process.send_signal(signal.SIGHUP)
        said.wait_for("READY", "1", 2)
        reloading = next(message for message in said.messages if "RELOADING" in message)
        self.assertTrue(before <= int(reloading["MONOTONIC_USEC"]) <= time.monotonic_ns() // 1000, reloading)
        self.assertEqual(service.terminate(), 0)
        said.wait_for("STOPPING", "1")
        stopping = next(message for message in said.messages if "STOPPING" in message)
        self.assertGreaterEqual(int(stopping["EXTEND_TIMEOUT_USEC"]), 2_000_000)
        self.assertNotIn("WATCHDOG", str(said.messages))  # nobody asked

    def test_is_not_ready_when_a_model_cannot_be_loaded(self):
        service = self.service({"broken": {"backend": "nonsense"}})
        service.launch()
        self.assertEqual(service.process.wait(PATIENCE_S), 1)
        self.assertEqual(service.systemd.values("READY"), [])
        self.assertIn("broken", service.text())

    # ---- Sockets ----

    def test_takes_over_the_sockets_of_a_socket_unit(self):
        service = self.service()
        grpc, local = service.folder / "grpc", service.folder / "local"
        # In the unit's order, with the unit's name.
        service.sockets = {"inferd.socket": listening(local, socket.SOCK_SEQPACKET),
                           "other": listening(grpc, socket.SOCK_STREAM)}
        inodes = [os.stat(path).st_ino for path in (grpc, local)]
        early = InThread(lambda: self.ask(f"unix:{grpc}"))  # connected before there is a daemon
        service.begin()
        early.result()
        self.ask_all(service)
        # They are the unit's to keep, not the store's; the port is the daemon's own.
        self.assertEqual(service.systemd.values("FDNAME"), [f"inferd-listener=127.0.0.1={service.port}"])
        self.assertEqual(service.terminate(), 0)
        self.assertEqual([os.stat(path).st_ino for path in (grpc, local)], inodes)
        late = InThread(lambda: self.ask_local(service))
        service.begin()
        late.result()
        self.ask_all(service)

    def test_says_which_sockets_nobody_answers(self):
        service = self.service()
        path = service.folder / "unknown.sock"
        pair = socket.socketpair()
        self.addCleanup(pair[1].close)
        service.sockets = {"inferd.socket": listening(path, socket.SOCK_STREAM), "not-listening": pair[0]}
        service.begin()
        self.assertIn(f"inferd.socket listens on 'unix:{path}', which no listener of the configuration takes over",
                      service.text())
        self.assertIn("'not-listening', which is no listening socket", service.text())
        self.assertTrue(path.exists())
        self.ask_all(service)

    def restart_under_clients(self, end):
        service = self.service().begin()
        store = service.systemd.store
        self.assertEqual(set(store), {f"inferd-listener=unix={service.folder}/grpc",
                                      f"inferd-listener=127.0.0.1={service.port}",
                                      f"inferd-listener=packets=unix={service.folder}/local"})
        self.ask_all(service)
        kept = {name: os.fstat(fd).st_ino for name, fd in store.items()}
        end(service)
        # Nobody serves, and nobody is refused: all of these wait.
        waiting = [InThread(lambda: self.ask(f"unix:{service.folder}/grpc")),
                   InThread(lambda: self.ask(f"127.0.0.1:{service.port}")),
                   InThread(lambda: self.ask_local(service))]
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as early:
            early.connect(str(service.folder / "grpc"))
            self.assertFalse(any(one.done() for one in waiting))
            service.begin()
        for one in waiting:
            one.result()
        self.assertEqual({name: os.fstat(fd).st_ino for name, fd in store.items()}, kept)
        # What it took from the store needs not be put there again.
        self.assertEqual(len(service.systemd.values("FDSTORE")), len(kept))

    def test_clients_wait_while_it_is_restarted(self):
        self.restart_under_clients(lambda service: self.assertEqual(service.terminate(), 0))

    def test_clients_wait_after_a_crash(self):
        self.restart_under_clients(lambda service: service.kill())

    def test_clients_that_come_while_it_drains_are_for_the_next(self):
        service = self.service({"copy": COPY, "slow": dict(COPY, run_us=2_000_000)}, ", stall_s: 0.1",
                               watchdog_us=100_000).begin()
        asked = InThread(lambda: self.ask(f"unix:{service.folder}/grpc", "slow"))
        wait_until(lambda: "model slow 1 has been" in service.text(), "it runs")
        with inferd.Client(f"127.0.0.1:{service.port}") as before:
            self.assertTrue(before.health())
            service.process.send_signal(signal.SIGTERM)
            wait_until(lambda: not before.health(), "health says that it stops")  # all is announced
        # Connections of their own, which channels to the same address are not; a server speaks first.
        late = [InThread(lambda: self.first_byte(socket.AF_UNIX, str(service.folder / "grpc"))),
                InThread(lambda: self.first_byte(socket.AF_INET, ("127.0.0.1", service.port))),
                InThread(lambda: self.ask_local(service))]
        asked.result()
        self.assertEqual(service.process.wait(PATIENCE_S), 0)
        self.assertFalse(any(one.done() for one in late[:2]))
        service.begin()
        for one in late:
            self.assertTrue(one.result())

    def test_forgets_what_is_no_longer_configured(self):
        service = self.service().begin()
        service.terminate()
        self.assertTrue((service.folder / "local").exists())
        self.configure(service, "['unix:grpc']", "")
        service.begin()
        self.assertEqual(set(service.systemd.store), {f"inferd-listener=unix={service.folder}/grpc"})
        self.assertFalse((service.folder / "local").exists())

        with self.assertRaises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", service.port)).close()
        self.ask(f"unix:{service.folder}/grpc")

    def test_a_stored_socket_whose_file_has_gone_is_made_anew(self):
        service = self.service().begin()
        service.terminate()
        (service.folder / "grpc").unlink()
        service.begin()
        self.ask_all(service)

    def test_a_stored_socket_gets_the_mode_that_is_configured_now(self):
        service = self.service().begin()
        service.terminate()
        self.configure(service, "[{address: 'unix:grpc', mode: '0600'}]", "")
        service.begin()
        self.assertEqual(os.stat(service.folder / "grpc").st_mode & 0o777, 0o600)

    # ---- The watchdog ----

    def test_a_model_that_hangs_is_named_and_ends_the_feeding(self):
        service = self.service({"copy": COPY, "hanging": dict(COPY, run_us=LONG_US)}, ", stall_s: 0.5",
                               watchdog_us=400_000).begin()
        service.systemd.wait_for("WATCHDOG", "1", 3)
        endpoint = f"unix:{service.folder}/grpc"
        hangs = InThread(lambda: self.ask(endpoint, "hanging"))
        wait_until(lambda: "model hanging 1 has been at one piece of work for" in service.text(), "the log names it")
        self.ask(endpoint)  # what does not hang serves on, until ...
        self.assertEqual(service.watch(), -signal.SIGABRT)
        self.assertRegex(service.text(), r"unless it goes on, systemd restarts the service within 0 s \(WatchdogSec\)")
        with self.assertRaises(inferd.Error):
            hangs.result()
        service.begin()
        self.ask_all(service)

    def test_what_comes_back_is_fed_again(self):
        service = self.service({"copy": COPY, "slow": dict(COPY, run_us=1_500_000)}, ", stall_s: 0.3",
                               watchdog_us=200_000).begin()
        self.ask(f"unix:{service.folder}/grpc", "slow")
        wait_until(lambda: "all that was stuck goes on again" in service.text(), "the log says so")
        fed = len(service.systemd.values("WATCHDOG"))
        service.systemd.wait_for("WATCHDOG", "1", fed + 3)
        self.assertEqual(service.text().count("model slow 1 has been"), 1)

    def test_nobody_is_stuck_without_a_limit(self):
        service = self.service({"slow": dict(COPY, run_us=1_000_000)}, ", stall_s: 0", watchdog_us=100_000).begin()
        fed = len(service.systemd.values("WATCHDOG"))
        self.ask(f"unix:{service.folder}/grpc", "slow")
        self.assertGreater(len(service.systemd.values("WATCHDOG")), fed + 5)
        self.assertNotIn("has been at one piece", service.text())

    # ---- The journal ----

    def test_entries_of_the_journal_have_fields(self):
        service = self.service({"first": COPY})
        (service.folder / "journal").mkdir()
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
            journal.settimeout(PATIENCE_S)
            journal.bind(str(service.folder / "journal" / "socket"))
            service.steps = ("journal",)
            try:
                service.begin()
            except RuntimeError as error:
                if "no mount namespace" in str(error):
                    self.skipTest("needs the right to make a mount namespace")
                raise
            entry = {}
            while "MODEL" not in entry:  # all that come before are about no model
                entry = dict(line.split("=", 1) for line in journal.recv(1 << 16).decode().splitlines())
        self.assertEqual(entry, {"MESSAGE": "model first version 1 is ready", "PRIORITY": "6",
                                 "SYSLOG_IDENTIFIER": "inferd", "MODEL": "first"})
        self.assertNotIn("is ready", service.text())

    # ---- The unit's restrictions ----

    def test_runs_under_the_filters_of_the_unit(self):
        try:
            import seccomp  # noqa: F401
            subprocess.run(["systemd-analyze", "--version"], check=True, capture_output=True)
        except (ImportError, OSError) as error:
            self.skipTest(f"{error}; install python3-seccomp and systemd")
        service = self.service(server=f", http: ['127.0.0.1:{free_port()}']")
        with open(service.config, "a") as config:
            config.write("pipelines: [{name: p, source: {test_pattern: {}}, sinks: [{jsonl: {path: out.jsonl}}]}]\n")
        service.steps = ("restrict",)
        service.begin()
        wait_until(lambda: (service.folder / "out.jsonl").read_text().count("\n") > 2, "the pipeline runs")
        status = pathlib.Path(f"/proc/{service.process.pid}/status").read_text()
        self.assertRegex(status, r"Seccomp:\s*2")
        self.assertGreaterEqual(int(re.search(r"Seccomp_filters:\s*(\d+)", status)[1]), 2)
        self.ask_all(service)
        endpoint = f"unix:{service.folder}/grpc"
        with inferd.Client(endpoint, timeout=PATIENCE_S) as client:
            client.unload("copy")
            client.load("copy")
        self.ask_all(service)
        service.process.send_signal(signal.SIGHUP)
        service.systemd.wait_for("READY", "1", 2)
        self.assertEqual(service.terminate(), 0)
        self.assertNotIn("not permitted", service.text())


def main():
    global ARGS
    parser = argparse.ArgumentParser()
    parser.add_argument("--inferd", type=pathlib.Path, required=True)
    ARGS, rest = parser.parse_known_args()
    unittest.main(argv=[sys.argv[0]] + rest, verbosity=2)


if __name__ == "__main__":
    main()
