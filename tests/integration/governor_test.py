#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A daemon on a machine that gets too warm: files stand for what its kernel says."""
import argparse
import json
import pathlib
import subprocess
import sys
import unittest
import urllib.request

try:
    import inferd
    import numpy as np
    from daemon_process import DaemonProcess, free_port, is_healthy, wait_until
except ImportError as error:
    print(f"SKIPPED: {error}; install python3-grpcio, python3-numpy and python3-setuptools, and build inferd-python")
    sys.exit(77)

ARGS = None
CONFIG = """
server: {grpc: ['unix:grpc'], http: ['%(http)s']}
engine: {threads: 2}
models: {root: models}
pipelines:
  - name: street
    source: {test_pattern: {width: 64, height: 64, fps: 100}}
    stages: [resize, infer: {model: detector}]
governor:
  every_s: 0.1
  hold_s: %(hold)s
  release_s: %(hold)s
  steps:
    - {pipeline: street, max_fps: 5}
    - {model: detector, variant: small}
    - {model: twice, variant: cheap}
    - {threads: 1}
    - {shed: 3}
"""
STEPS = ["pipeline street at 5 frames a second", "model detector as its variant small",
         "model twice as its variant cheap", "one thread", "requests of priority 3 and larger numbers refused"]


class Daemon(DaemonProcess):
    def __init__(self, hold):
        super().__init__(ARGS.inferd)
        self.endpoint = f"unix:{self.folder}/grpc"
        self.http = f"127.0.0.1:{free_port()}"
        self.zone = self.folder / "machine/sys/class/thermal/thermal_zone0"
        self.zone.mkdir(parents=True)
        for name, value in {"type": "cpu-thermal", "trip_point_0_type": "passive", "trip_point_0_temp": "80000"}.items():
            (self.zone / name).write_text(value + "\n")
        self.set_celsius(50)
        for name, side in {"detector": 32, "detector-small": 16}.items():
            self.add_model(name, {"backend": "identity", "inputs": [{"datatype": "UINT8", "shape": [1, side, side, 3]}]})
        for name, factor in {"twice": 2, "twice-cheap": 2.25}.items():
            self.add_model(name, {"backend": "scale", "factor": factor, "inputs": [{"shape": [1, 2]}]})
        self.declare("detector", "variants: {small: {model: detector-small}}\n")
        self.declare("twice", "variants: {cheap: {model: twice-cheap}}\n")
        self.configure(CONFIG % {"http": self.http, "hold": hold})
        self.start(lambda: is_healthy(self.endpoint))

    def declare(self, model, yaml):
        (self.folder / "models" / model / "model.yaml").write_text(yaml)

    def launch(self, environment=None):
        with open(self.folder / "log", "a") as log:
            self.process = subprocess.Popen(
                [str(self.program), "--config", str(self.config), "--machine", str(self.folder / "machine")],
                stdout=log, stderr=log, cwd=self.folder, env=environment)

    def set_celsius(self, celsius):
        new = self.zone / "new"
        new.write_text(f"{round(celsius * 1000)}\n")
        new.rename(self.zone / "temp")

    def client(self):
        return inferd.Client(self.endpoint, timeout=60)

    def street(self):
        with self.client() as client:
            return client.pipelines()[0]

    def ask(self, **options):
        """The answer of `twice` to [1, 2]."""
        with self.client() as client:
            name = client.model("twice").inputs[0].name
            outputs = client.infer("twice", {name: np.array([[1, 2]], np.float32)}, **options)
        return list(next(iter(outputs.values())).reshape(-1))

    def ctl(self, *arguments):
        done = subprocess.run([str(ARGS.inferctl), "--endpoint", self.endpoint, *arguments], capture_output=True, text=True,
                              timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def governor(self):
        return json.loads(self.ctl("--json", "status"))["host"]["governor"]

    def wait_for_level(self, level):
        wait_until(lambda: self.governor()["level"] == level, f"{level} steps are taken")

    def metrics(self):
        with urllib.request.urlopen(f"http://{self.http}/metrics", timeout=60) as answer:
            return answer.read().decode()


class GovernorTest(unittest.TestCase):
    def daemon(self, hold=0.2):
        daemon = Daemon(hold)
        self.addCleanup(daemon.__exit__)
        return daemon

    def test_heat_makes_it_do_less_and_cold_brings_all_back(self):
        daemon = self.daemon()
        wait_until(lambda: daemon.street().processed_fps > 50, "frames")
        self.assertEqual(daemon.ask(priority=3), [2, 4])
        self.assertIn("host     50.0 C (cpu-thermal)", daemon.ctl("status"))
        self.assertIn("governor none of 5 steps is taken", daemon.ctl("status"))
        watched = []
        with daemon.client() as watcher:
            frames = watcher.watch("street", timeout=600)
            watched.append(next(frames))
            daemon.set_celsius(90)
            daemon.wait_for_level(5)
            self.check_warm(daemon)
            watched.append(next(frames))
            daemon.set_celsius(40)
            daemon.wait_for_level(0)
            wait_until(lambda: next(frames).height and daemon.street().processed_fps > 50, "its rate is back")
        self.assertEqual(daemon.street().model, "detector")
        self.assertEqual(daemon.street().graph[0].failures, 0)
        self.assertEqual(daemon.ask(priority=3), [2, 4])
        log = daemon.text()
        places = [log.index(f"step {i} of 5 ({STEPS[i - 1]}) is taken, because") for i in range(1, 6)]
        places += [log.index(f"step {i} of 5 ({STEPS[i - 1]}) is taken back, because") for i in range(5, 0, -1)]
        self.assertEqual(places, sorted(places), "in their order, and back in the other one")
        self.assertIn("is taken, because zone cpu-thermal is at 90.0 C (75.0 C or more calls for less)", log)
        self.assertIn("is taken back, because zone cpu-thermal is at 40.0 C (68.0 C or less is well)", log)
        self.assertIn('direction="down"} 1', daemon.metrics())

    def check_warm(self, daemon):
        governor = daemon.governor()
        self.assertEqual([step["what"] for step in governor["steps"]], STEPS)
        self.assertTrue(all(step["taken"] and not step["vain"] for step in governor["steps"]), governor)
        self.assertIn("cpu-thermal is at 90.0 C", governor["reason"])
        status = daemon.ctl("status")
        self.assertIn("host     90.0 C (cpu-thermal)", status)
        self.assertIn("governor 5 of 5 steps taken: pipeline street at 5 frames a second; ", status)
        wait_until(lambda: 0 < daemon.street().processed_fps < 10, "fewer frames")
        street = daemon.street()
        self.assertGreater(street.captured_fps, 50, "the source goes on")
        self.assertGreater(street.graph[0].drops["skipped"], 0)
        self.assertEqual(street.model, "detector-small")
        self.assertEqual(daemon.ask(), [2.25, 4.5], "from the variant")
        with self.assertRaisesRegex(inferd.Error, "governor refuses requests of priority 3 .*cpu-thermal.*try again later"):
            daemon.ask(priority=3)
        self.assertEqual(daemon.ask(priority=2), [2.25, 4.5])
        metrics = daemon.metrics()
        self.assertIn("inferd_governor_level 5", metrics)
        self.assertIn('inferd_host_temperature_celsius{zone="thermal_zone0",type="cpu-thermal"} 90', metrics)
        self.assertRegex(metrics, r'inferd_requests_refused_total\{model="twice-cheap",version="1",reason="shed"\} 1')

    def test_in_between_nothing_changes_and_its_end_is_not_held_up(self):
        daemon = self.daemon()
        daemon.set_celsius(90)
        wait_until(lambda: daemon.governor()["level"] >= 1, "a step")
        daemon.set_celsius(72)
        level = daemon.governor()["level"]  # the last one may be under way
        wait_until(lambda: daemon.street().processed > 15, "time has passed")
        self.assertLessEqual(daemon.governor()["level"] - level, 1)
        self.assertGreaterEqual(daemon.governor()["level"], level)
        daemon.set_celsius(90)
        self.assertEqual(daemon.terminate(), 0, daemon.text())

    def test_a_sensor_that_vanishes_does_not_keep_it_down(self):
        daemon = self.daemon()
        daemon.set_celsius(90)
        daemon.wait_for_level(5)
        (daemon.zone / "temp").unlink()
        daemon.wait_for_level(0)
        self.assertIn("no sensor says anything any more", daemon.text())

    def test_a_pipeline_that_a_reload_takes_away_is_said_to_be_gone(self):
        daemon = self.daemon()
        config = daemon.config.read_text()
        daemon.configure(config.replace("name: street", "name: yard"))
        daemon.ctl("pipeline", "reload")
        daemon.set_celsius(90)
        daemon.wait_for_level(5)
        steps = daemon.governor()["steps"]
        self.assertIn("there is no pipeline 'street'", steps[0]["vain"])
        self.assertEqual([step["vain"] for step in steps[1:]], ["", "", "", ""])
        self.assertEqual(daemon.street().model, "detector-small", "it was told of the yard as well")
        daemon.configure(config)
        daemon.ctl("pipeline", "reload")
        wait_until(lambda: daemon.street().processed > 0, "the street is back")
        self.assertEqual(daemon.street().model, "detector-small", "and as warm as it was")
        wait_until(lambda: daemon.street().graph[0].drops.get("skipped", 0) > 0, "its frames are left out")

    def test_a_check_finds_steps_that_could_do_nothing(self):
        daemon = self.daemon()
        wrong = daemon.folder / "wrong.yaml"
        wrong.write_text("governor:\n  steps:\n    - {pipeline: gone, max_fps: 1}\n    - {model: gone, variant: small}\n"
                         "    - {threads: 256}\n    - {shed: 2}\n")
        checked = subprocess.run([str(ARGS.real_inferd), "--check", str(wrong)], capture_output=True, text=True, timeout=120)
        self.assertEqual(checked.returncode, 1)
        for text in ("wrong.yaml:3:7: there is no pipeline 'gone'", "wrong.yaml:4:7: there is no model 'gone'",
                     "wrong.yaml:5:7: the engine has no more than"):
            self.assertIn(text, checked.stderr)
        self.assertNotIn("wrong.yaml:6", checked.stderr)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--inferd", type=pathlib.Path, required=True, help="with scripted models")
    parser.add_argument("--real-inferd", type=pathlib.Path, required=True)
    parser.add_argument("--inferctl", type=pathlib.Path, required=True)
    ARGS, rest = parser.parse_known_args()
    unittest.main(argv=[sys.argv[0], *rest], verbosity=2)
