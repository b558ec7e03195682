# SPDX-License-Identifier: Apache-2.0
"""A daemon on a folder of its own, and what it takes of the machine."""
import json
import os
import pathlib
import re
import time
from collections import Counter
from dataclasses import dataclass
from typing import Dict

import inferd
from daemon_process import DaemonProcess
from way import Target


# gRPC's own threads, by the 15 characters that the kernel keeps of their names: for what must not block, for names of
# hosts, for timers, and those that wait for calls of synchronous services. It adds to each pool as it needs, and lets
# threads go late or never.
_POOLS = ("default-executo", "resolver-execut", "event_engine", "grpc_global_tim", "grpcpp_sync_ser")
_MOST_OF_A_POOL = 2 * max(2, os.cpu_count() or 1)


@dataclass(frozen=True)
class Use:
    """What a process has."""

    rss_kb: int
    anonymous_kb: int  # of which no file knows
    thread_names: Dict[str, int]
    descriptors: int

    @property
    def threads(self):
        return sum(self.thread_names.values())

    def text(self):
        return f"{self.rss_kb / 1024:.1f} MB, {self.threads} threads, {self.descriptors} descriptors"

    def threads_beyond(self, before):
        """How many more it has than before, apart from those that gRPC may add; 0: none."""
        in_pool = lambda use, pool: use.thread_names.get(pool, 0)  # noqa: E731
        mine = lambda use: use.threads - sum(in_pool(use, pool) for pool in _POOLS)  # noqa: E731
        too_many = sum(max(0, in_pool(self, pool) - max(_MOST_OF_A_POOL, in_pool(before, pool))) for pool in _POOLS)
        return max(0, mine(self) - mine(before)) + too_many


class WatchedDaemon(DaemonProcess):
    """`fill` gets the folder of the models. `local` are options of the local socket, `http` those of HTTP."""

    def __init__(self, program, fill, local=None, http=None, engine=None, deployments=None, pipelines=None):
        super().__init__(program)
        self.target = Target(f"unix:{self.folder}/grpc", f"{self.folder}/http", f"{self.folder}/local")
        (self.folder / "models").mkdir()
        fill(self.folder / "models")
        # YAML takes JSON.
        self.configure(json.dumps({
            "server": {"grpc": [{"address": "unix:grpc", "max_connections": 10_000}],
                       "http": [{"address": "unix:http", **(http or {})}],
                       "local": [{"path": "local", **(local or {})}], "system_shared_memory": True},
            "engine": engine or {}, "models": {"root": "models", "deployments": deployments or {}},
            "pipelines": pipelines or [], "log": {"level": "warning"}}))
        with inferd.Client(self.target.grpc) as client:
            self.start(lambda: self._is_healthy(client))

    @staticmethod
    def _is_healthy(client):
        try:
            return client.health()
        except inferd.Error:
            return False

    def log_tail(self):
        return self.text()[-4000:]

    def use(self):
        proc = pathlib.Path(f"/proc/{self.process.pid}")
        status = (proc / "status").read_text()
        number = lambda key: int(re.search(rf"{key}:\s+(\d+)", status)[1])  # noqa: E731
        names = Counter()
        for task in (proc / "task").iterdir():
            try:
                names[(task / "comm").read_text().strip()] += 1
            except OSError:
                pass  # it has ended
        return Use(number("VmRSS"), number("RssAnon"), dict(names), len(os.listdir(proc / "fd")))

    def cpu_s(self):
        """CPU time of all its threads so far."""
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def quiet_use(self, enough=lambda use: True, at_most_s=60):
        """What it has once that was `enough` and has not changed for two seconds: connections that ended are closed by
        then, and threads that found nothing to do have gone."""
        end = time.monotonic() + at_most_s
        seen, since = self.use(), time.monotonic()
        while time.monotonic() < end and (time.monotonic() - since < 2 or not enough(seen)):
            time.sleep(0.1)
            now = self.use()
            if (now.threads, now.descriptors) != (seen.threads, seen.descriptors):
                since = time.monotonic()
            seen = now
        return seen
