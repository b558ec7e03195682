#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""inferctl infer and inferctl load against a daemon, over gRPC and over the local socket; packages without one."""
import json
import pathlib
import tempfile
import unittest

import daemon_test
from daemon_test import Daemon, ctl, inputs_for, model_path, np

VWW = "tflite/vww_96_int8.tflite"
MOBILENET = "tflite/mobilenet_v2_1.0_224_quant.tflite"
MILITARY_UNIFORM = 653  # of MobileNet's 1001 classes: what she wears in the picture
CLASSES = "".join(f"label {i}\n" for i in range(1001))


class WithDaemon(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.vww = model_path(VWW)
        cls.daemon = Daemon({"vww": (cls.vww, {"max_batch": 4}), "mobilenet": (model_path(MOBILENET), {})},
                            server="  local: [{path: local.sock}]\n", labels={"mobilenet": CLASSES})
        cls.endpoints = [cls.daemon.endpoint, f"local:{cls.daemon.folder}/local.sock"]
        cls.scratch = tempfile.TemporaryDirectory()
        cls.folder = pathlib.Path(cls.scratch.name)

    @classmethod
    def tearDownClass(cls):
        cls.scratch.cleanup()
        cls.daemon.__exit__()

    def json(self, *command, endpoint):
        result = ctl(*command, "--json", endpoint=endpoint)
        self.assertEqual(result.returncode, 0, result.stderr)
        return json.loads(result.stdout)

    def refused(self, message, *command):
        for endpoint in self.endpoints:
            result = ctl(*command, endpoint=endpoint)
            self.assertEqual(result.returncode, 1, result.stdout)
            self.assertIn(message, result.stderr)


class Infer(WithDaemon):
    def test_arrays(self):
        arrays = inputs_for(self.vww, 3)
        (name, array), = arrays.items()
        np.save(self.folder / "in.npy", array)
        (output, expected), = self.daemon.infer("vww", arrays).items()
        for endpoint in self.endpoints:
            for given in (f"{name}={self.folder}/in.npy", f"{self.folder}/in.npy"):
                shown, = self.json("infer", "vww", "--input", given, "--output", output, "--priority", 1, "--deadline-ms",
                                   5000, "--output-dir", self.folder / "out", endpoint=endpoint)
                self.assertEqual((shown["name"], shown["datatype"]), (output, "INT8"))
                self.assertEqual((shown["min"], shown["max"]), (expected.min(), expected.max()))
                self.assertNotIn("classes", shown)
                np.testing.assert_array_equal(np.load(self.folder / "out" / f"{output}.npy"), expected)

    def test_pictures_and_classes(self):
        picture = model_path("images/grace_hopper.bmp")
        labels = self.folder / "labels.txt"
        labels.write_text("".join(f"class {i}\n" for i in range(1001)))
        for endpoint in self.endpoints:
            shown, = self.json("infer", "mobilenet", "--input", picture, "--labels", labels, endpoint=endpoint)
            self.assertEqual(len(shown["classes"]), 3)
            self.assertEqual(shown["classes"][0]["index"], MILITARY_UNIFORM)
            self.assertEqual(shown["classes"][0]["name"], f"class {MILITARY_UNIFORM}")
            text = ctl("infer", "mobilenet", picture, "--top", 1, endpoint=endpoint).stdout
            self.assertIn(f"{MILITARY_UNIFORM}  ", text)
            self.assertEqual(len(text.splitlines()), 2)

    def test_the_daemons_labels(self):
        picture = model_path("images/grace_hopper.bmp")
        shown, = self.json("infer", "mobilenet", picture, endpoint=self.endpoints[0])
        self.assertEqual([c["name"] for c in shown["classes"]], [f"label {c['index']}" for c in shown["classes"]])
        self.assertEqual([len(shown["classes"]), shown["classes"][0]["index"]], [3, MILITARY_UNIFORM])
        self.assertEqual(shown["classes"][0]["score"], shown["max"])
        text = ctl("infer", "mobilenet", picture, "--top", 2, endpoint=self.endpoints[0]).stdout
        self.assertIn(f"label {MILITARY_UNIFORM}\n", text)
        self.assertEqual(len(text.splitlines()), 3)
        over_local, = self.json("infer", "mobilenet", picture, endpoint=self.endpoints[1])
        self.assertNotIn("classes", over_local)

    def test_mistakes(self):
        np.save(self.folder / "small.npy", np.zeros((1, 3), np.int8))
        small = self.folder / "small.npy"
        self.refused("there is no model 'nope'", "infer", "nope", "--input", small)
        self.refused("has shape [1,3]", "infer", "vww", "--input", small)
        self.refused("is given twice", "infer", "vww", "--input", small, "--input", small)
        self.refused("has no output 'none'", "infer", "mobilenet", "--input", model_path("images/grace_hopper.bmp"), "--output",
                     "none")
        self.refused("labels", "infer", "vww", "--input", small, "--labels", self.folder / "absent-labels")


class Load(WithDaemon):
    def answered(self):
        """Inferences that the daemon counts for the model."""
        statistics = self.daemon.stub.ModelStatistics(self.daemon.pb.ModelStatisticsRequest(name="vww"))
        return statistics.model_stats[0].inference_count

    def test_a_closed_loop(self):
        for endpoint in self.endpoints:
            before = self.answered()
            report = self.json("load", "vww", "--duration", 0.5, "--concurrency", 4, "--connections", 2, endpoint=endpoint)
            self.assertEqual(report["loop"], "closed")
            self.assertGreater(report["sent"], 4)
            self.assertEqual(report["succeeded"], report["sent"])
            # One more asks whether the model takes the inputs.
            self.assertEqual(self.answered() - before, report["sent"] + 1)
            latency = report["latency_ms"]
            order = [latency[k] for k in ("p50", "p90", "p99", "p99.9", "max")]
            self.assertEqual(order, sorted(order))
            self.assertGreater(latency["p50"], 0)
            self.assertAlmostEqual(report["throughput"], report["sent"] / report["seconds"], 3)

    def test_an_open_loop(self):
        for endpoint in self.endpoints:
            report = self.json("load", "vww", "--duration", 1, "--rate", 50, endpoint=endpoint)
            self.assertEqual(report["loop"], "open")
            self.assertEqual(report["sent"] + report["unsent"], 50)
            poisson = self.json("load", "vww", "--duration", 1, "--rate", 50, "--poisson", endpoint=endpoint)
            self.assertGreater(poisson["sent"], 10)

    def test_errors_are_counted(self):
        # 64 requests of 64 elements have more in them than 40 ms, and the daemon says so before these are over.
        for endpoint in self.endpoints:
            report = json.loads(ctl("load", "vww", "--duration", 1, "--concurrency", 64, "--batch", 64, "--deadline-ms", 40,
                                    "--json", endpoint=endpoint).stdout)
            self.assertGreater(report["errors"]["DEADLINE_EXCEEDED"], 0, report)
            if endpoint.startswith("local:"):  # gRPC takes as long for the requests alone
                self.assertLess(report["failing_latency_ms"]["p50"], 40, report)

    def test_inputs_from_files(self):
        picture = model_path("images/grace_hopper.bmp")
        report = self.json("load", "mobilenet", "--input", picture, "--duration", 0.2, endpoint=self.daemon.endpoint)
        self.assertGreater(report["succeeded"], 0)

    def test_mistakes(self):
        self.refused("there is no model 'nope'", "load", "nope")
        self.assertEqual(ctl("load", "vww", "--poisson", endpoint=self.daemon.endpoint).returncode, 2)
        self.assertEqual(ctl("load", "vww", "--rate", "0", endpoint=self.daemon.endpoint).returncode, 2)
        self.assertEqual(ctl("load", "vww", endpoint="unix:/nonexistent/inferd.sock").returncode, 3)


class Packages(unittest.TestCase):
    """The walk-through of docs/packages.md."""

    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = pathlib.Path(scratch.name)
        self.package = self.folder / "detector" / "3"
        self.package.mkdir(parents=True)
        (self.package / "model.onnx").write_bytes(b"any bytes will do")
        (self.package / "labels.txt").write_text("cat\ndog\n")

    def ok(self, *command):
        result = ctl(*command)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stdout

    def refused(self, message, *command):
        result = ctl(*command)
        self.assertEqual(result.returncode, 1, result.stdout)
        self.assertIn(message, result.stderr)

    def generate(self, name):
        """Paths of a new pair of keys, and its id."""
        key = json.loads(self.ok("key", "generate", self.folder / name, "--json"))
        self.assertEqual(key["secret"], str(self.folder / name))
        self.assertEqual((self.folder / name).stat().st_mode & 0o777, 0o600)
        return key["secret"], key["public"], key["id"]

    def test_signing(self):
        secret, public, key = self.generate("release.key")
        self.refused("File exists", "key", "generate", secret)
        sign = ("model", "sign", self.package, "--name", "detector", "--version", 3, "--key", secret)
        verify = ("model", "verify", self.package, "--trusted", public)
        self.refused("manifest.json", *verify)
        self.assertIn(f"2 files, 25 bytes, by the key {key}", self.ok(*sign, "--expires", 30))
        shown = json.loads(self.ok(*verify, "--json"))
        self.assertEqual((shown["model"], shown["version"], shown["key"]), ("detector", 3, key))
        self.assertEqual([file["path"] for file in shown["files"]], ["labels.txt", "model.onnx"])
        self.assertIn("expires", shown)
        self.assertIn("not checked", self.ok("model", "verify", self.package))
        self.ok(*sign)  # again, and for ever
        self.assertNotIn("expires", json.loads(self.ok(*verify, "--json")))

        _, other, other_key = self.generate("other.key")
        self.refused(f"signed by the key {key}, which is not trusted (trusted: {other_key})",
                     "model", "verify", "--trusted", other, self.package)
        self.ok("model", "verify", "--trusted", other, "--trusted", public, self.package)

        manifest = self.package / "manifest.json"
        text = manifest.read_text()
        manifest.write_text(text.replace('"version": 3', '"version": 4'))
        self.refused("altered", *verify)
        manifest.write_text(text)
        (self.package / "labels.txt").write_text("dog\ncat\n")
        self.refused("'labels.txt' has another checksum", *verify)
        (self.package / "labels.txt").write_text("cat\ndog\n")
        self.ok(*verify)
        (self.package / "manifest.sig").unlink()
        self.refused("not signed", *verify)

    def test_a_secret_is_not_packed(self):
        secret, _, _ = self.generate("detector/3/release.key")
        self.refused("move it", "model", "sign", self.package, "--name", "detector", "--version", 3, "--key", secret)
        self.assertFalse((self.package / "manifest.json").exists())


if __name__ == "__main__":
    daemon_test.main()
