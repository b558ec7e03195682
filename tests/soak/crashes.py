#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Daemons that end in the middle of deployments, and disks that fail: what was deployed must serve afterwards.

    scripts/soak.sh --crashes [N]

First the daemon is killed N times at random moments of pushes, rollbacks and removals. Then, with faults.cc, every K-th
change of the disk in one life of a board (start, two pushes, a rollback) meets each kind of fault. After each of them the
daemon starts again and serves a whole version: the last one that a client was told of, or the one that was on its way.
Version N of the model multiplies by N.

Exit status 0: all of that held. 1: something did not; the report says what. 77: something it needs is missing.
"""
import argparse
import hashlib
import json
import os
import pathlib
import random
import shutil
import sys
import tempfile
import threading
import time
from collections import Counter

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))

try:
    import grpc
    import inferd
    import numpy as np
    from daemon_process import DaemonProcess, wait_until
    from deployer import DONE, Deployer, state_of
    from swaps import scale
except ImportError as error:
    print(f"SKIPPED: {error}; install python3-grpcio, python3-numpy and python3-setuptools, and build inferd-python")
    sys.exit(77)

KINDS = ["enospc", "eio", "torn", "power"]
PROBATION_S = 0.05
FILLER = 50_000  # bytes beside the model, so that a package is more than one write


class Mistake(Exception):
    """Something that must not be."""


def package(version):
    return {**scale(version), "labels.txt": random.Random(version).randbytes(FILLER // 2).hex().encode()}


class Ledger:
    """What clients know: which version serves, or which ones may."""

    def __init__(self):
        self.current = 0  # the last that a client was told of
        self.possible = set()  # what may serve instead: a deployment of it has no end yet
        self.newest = 0
        self.removed = set()

    def begin(self, version):
        self.possible.add(version)
        self.newest = max(self.newest, version)

    def done(self, version):
        self.current, self.possible = version, set()

    def failed(self, version):
        self.possible.discard(version)


class Board(DaemonProcess):
    """A daemon of one model "m"."""

    def __init__(self, program, probation_s):
        super().__init__(program)
        self.endpoint = f"unix:{self.folder}/grpc"
        self.models = self.folder / "models"
        self.models.mkdir()
        self._probation_s = probation_s
        self.configure(json.dumps({
            "server": {"grpc": ["unix:grpc"]}, "engine": {"threads": 1}, "log": {"level": "warning"},
            "models": {"root": "models", "deployments": {
                "min_free_bytes": 0, "keep_versions": 1, "max_crashes": 1000,  # its end is never the model's fault here
                "probation": {"seconds": probation_s}}}}))

    def begin(self, environment=None):
        """Starts it. False: it ended before it served, which is a mistake unless it has faults."""
        self.launch(environment)
        with inferd.Client(self.endpoint, timeout=60) as client:
            wait_until(lambda: not self.alive() or self._is_healthy(client), "the daemon starts", 120)
        if not self.alive() and not environment:
            raise Mistake(f"the daemon does not start: {self.text()[-2000:]}")
        return self.alive()

    @staticmethod
    def _is_healthy(client):
        try:
            return client.health()
        except inferd.Error:
            return False

    def push(self, deployer, ledger):
        version = ledger.newest + 1
        ledger.begin(version)
        self._take(deployer.deploy("m", version, package(version), self._probation_s), version, ledger)

    def roll_back(self, deployer, ledger):
        version = deployer.show("m").fallback
        if version == 0:
            return
        ledger.begin(version)
        self._take(deployer.roll_back("m", "for once"), version, ledger)

    @staticmethod
    def _take(deployment, version, ledger):
        if state_of(deployment) == DONE:
            ledger.done(version)
        elif state_of(deployment) != "RUNNING":  # the daemon stops: nobody knows
            ledger.failed(version)

    @staticmethod
    def remove_one(deployer, ledger):
        shown = deployer.show("m")
        free = [v.version for v in shown.versions if not v.serves and v.version != shown.fallback]
        if free:
            deployer.remove("m", free[0])
            ledger.removed.add(free[0])

    def check(self, ledger):
        """After a start: raises Mistake. What serves is then known."""
        deployer = Deployer(self.endpoint)
        try:
            wait_until(lambda: all(state_of(d) != "RUNNING" for d in deployer.stub.ListDeployments(
                deployer.pb.ListDeploymentsRequest()).deployments), "what was on probation has an end")
            shown = deployer.show("m")
        except grpc.RpcError as error:
            raise Mistake(f"after a start: {error.code().name}: {error.details()}") from error
        finally:
            deployer.close()
        serves = next((v.version for v in shown.versions if v.serves), 0)
        if serves not in ledger.possible | {ledger.current}:
            raise Mistake(f"version {serves} serves instead of {ledger.current} (or {sorted(ledger.possible)}): "
                          f"{[(v.version, v.verdict, v.reason) for v in shown.versions]}")
        if back := ledger.removed & {v.version for v in shown.versions}:
            raise Mistake(f"the versions {back} were removed and are here")
        with inferd.Client(self.endpoint, timeout=60) as client:
            answer = client.infer("m", np.array([[1, 2]], np.float32))["OUTPUT0"].ravel().tolist()
        if answer != [serves, 2 * serves]:
            raise Mistake(f"version {serves} made {answer} of [1, 2]")
        for version in shown.versions:
            self._check_files(self.models / "m" / str(version.version))
        ledger.done(serves)

    @staticmethod
    def _check_files(folder):
        for file in json.loads((folder / "manifest.json").read_bytes())["files"]:
            data = (folder / file["path"]).read_bytes()
            if hashlib.sha256(data).hexdigest() != file["sha256"]:
                raise Mistake(f"{folder / file['path']} is not what was sent")


# ---- Kills ----

def act(board, ledger, chance):
    """Deploys and removes until the daemon is gone."""
    deployer = Deployer(board.endpoint)
    try:
        while True:
            what = chance.random()
            step = board.push if what < 0.6 or ledger.newest < 2 else board.roll_back if what < 0.85 else board.remove_one
            step(deployer, ledger)
    except grpc.RpcError:
        pass  # the daemon is gone, or refuses: what this was about stays possible
    finally:
        deployer.close()


def kills(args, probation_s):
    """Failures."""
    chance = random.Random(args.seed)
    board, ledger = Board(args.inferd, probation_s), Ledger()
    acknowledged = number = 0
    try:
        board.begin()
        first = Deployer(board.endpoint)
        board.push(first, ledger)
        first.close()
        for number in range(args.kills):
            before = ledger.newest
            actor = threading.Thread(target=act, args=(board, ledger, chance))
            actor.start()
            time.sleep(chance.uniform(0, 0.15 + 2 * probation_s))
            board.kill()
            actor.join()
            board.begin()
            board.check(ledger)
            acknowledged += ledger.newest - before
        print(f"{args.kills} kills with a probation of {probation_s} s: {acknowledged} versions were begun, "
              f"version {ledger.current} serves", flush=True)
        code = board.terminate()
        return [f"exit status {code}: {board.text()[-2000:]}"] if code else []
    except (Mistake, AssertionError) as mistake:
        return [f"kill {number + 1}, seed {args.seed}: {mistake}"]
    finally:
        board.__exit__()


# ---- Faults ----

class Scenario:
    """One life of a board on which version 1 serves, with a fault at the K-th change of its disk."""

    def __init__(self, args):
        self._args = args
        self._scratch = pathlib.Path(tempfile.mkdtemp(prefix="inferd-faults-"))
        board, ledger = Board(args.inferd, 0), Ledger()
        board.begin()
        deployer = Deployer(board.endpoint)
        board.push(deployer, ledger)
        deployer.close()
        board.terminate()
        shutil.copytree(board.models, self._scratch / "models")
        board.remove()

    def remove(self):
        shutil.rmtree(self._scratch)

    def run(self, kind, at):
        """Whether the fault has come. Raises Mistake."""
        board, ledger = Board(self._args.inferd, 0), Ledger()
        stash, told = board.folder / "stash", board.folder / "told"
        try:
            shutil.rmtree(board.models)
            shutil.copytree(self._scratch / "models", board.models)
            stash.mkdir()
            ledger.begin(1)
            ledger.done(1)
            faults = {"LD_PRELOAD": str(self._args.faults), "FAULTS_FOLDER": str(board.models), "FAULTS_KIND": kind,
                      "FAULTS_AT": str(at), "FAULTS_STASH": str(stash), "FAULTS_TOLD": str(told)}
            if board.begin({**os.environ, **faults}):
                self._live(board, ledger)
            board.kill()
            board.begin()
            board.check(ledger)
            # And everything goes on.
            deployer = Deployer(board.endpoint)
            board.push(deployer, ledger)
            deployer.close()
            if ledger.possible or ledger.current != ledger.newest:
                raise Mistake(f"afterwards, version {ledger.newest} could not be deployed")
            return told.exists()
        except (Mistake, AssertionError, grpc.RpcError) as mistake:
            raise Mistake(f"{kind} at {at}: {mistake}\n{board.text()[-3000:]}") from mistake
        finally:
            board.__exit__()

    @staticmethod
    def _live(board, ledger):
        for step in (board.push, board.push, board.roll_back):
            deployer = Deployer(board.endpoint)
            try:
                step(deployer, ledger)
            except grpc.RpcError:
                pass  # refused, or the daemon is gone
            finally:
                deployer.close()


def faults(args):
    """Failures."""
    failures, struck = [], Counter()
    scenario = Scenario(args)
    for kind in KINDS:
        at, comes = args.first, True
        while comes and len(failures) < 10:
            try:
                comes = scenario.run(kind, at)
                struck[kind] += comes
            except Mistake as mistake:
                failures.append(str(mistake))
                print(mistake, flush=True)
            at += args.every
    scenario.remove()
    print(f"faults that struck: {dict(struck)}", flush=True)
    if min(struck[kind] for kind in KINDS) == 0:
        failures.append("there is a kind of fault that never came")
    return failures


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inferd", required=True, help="inferd-with-test-models")
    parser.add_argument("--faults", type=pathlib.Path, required=True, help="the library of faults.cc")
    parser.add_argument("--kills", type=int, default=200, help="and a fourth of them with a probation")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    parser.add_argument("--first", type=int, default=1, help="the first change of the disk that fails")
    parser.add_argument("--every", type=int, default=1, help="and then each so many")
    args = parser.parse_args()
    print(f"seed {args.seed}", flush=True)
    failures = kills(args, 0)
    args.kills = max(1, args.kills // 4)
    failures += kills(args, PROBATION_S)
    failures += faults(args)
    for failure in failures:
        print(f"FAILED: {failure}", flush=True)
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
