#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Reports of inferctl bench and inferctl load: whole by themselves, the numbers of --json, and no name leaves its place."""
import json
import pathlib
import re
import sys
import tempfile
import unittest
import xml.etree.ElementTree as ElementTree

try:
    import daemon_test
    import onnx
    from daemon_test import Daemon, ctl, model_path
except ImportError as error:
    print(f"SKIPPED: {error}; install python3-onnx, python3-grpcio, python3-numpy and python3-setuptools, and build inferd-python")
    sys.exit(77)

VWW = "tflite/vww_96_int8.tflite"
HOSTILE = "</script><script>alert('1')</script><img src=\"x\" onerror=\"alert(2)\">&lt;\x1b[2J]]>"


def hostile_model():
    """A file whose every name is HTML, and one that multiplies matrices."""
    shape = [8, 8]
    weights = onnx.helper.make_tensor("w" + HOSTILE, onnx.TensorProto.FLOAT, shape, [0.5] * 64)
    nodes = [onnx.helper.make_node("MatMul", ["i" + HOSTILE, "w" + HOSTILE], ["m" + HOSTILE], name="n" + HOSTILE),
             onnx.helper.make_node("Softmax", ["m" + HOSTILE], ["o" + HOSTILE], name="s" + HOSTILE)]
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(nodes, "g" + HOSTILE, [value("i" + HOSTILE, onnx.TensorProto.FLOAT, shape)],
                                   [value("o" + HOSTILE, onnx.TensorProto.FLOAT, shape)], [weights])
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 13)])


class Reports(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = pathlib.Path(scratch.name)
        self.file = self.folder / "report.html"

    def made(self, *command, endpoint=None):
        """(what --json printed, the report's tree)."""
        result = ctl(*command, "--json", "--html", self.file, endpoint=endpoint)
        self.assertEqual(result.returncode, 0, result.stderr)
        text = self.file.read_text(encoding="utf-8")
        self.assertTrue(text.startswith("<!DOCTYPE html>"))
        tree = ElementTree.fromstring(text)  # well-formed
        self.assertEqual({e.tag for e in tree.iter()} - {
            "html", "head", "meta", "title", "style", "body", "h1", "h2", "section", "figure", "figcaption", "svg", "line", "text",
            "rect", "circle", "table", "tr", "th", "td", "data", "code", "p", "script"}, set())
        for element in tree.iter():
            self.assertFalse({name for name in element.keys() if name.startswith("on") or name in ("src", "href")})
        style = tree.find("head/style").text
        self.assertNotRegex(style, r"url\(|@import")
        self.assertIn("prefers-color-scheme: dark", style)
        script, = tree.iter("script")
        self.assertEqual(script.get("type"), "application/json")
        self.assertEqual(len(re.findall("<script", text)), 1)
        data = json.loads(script.text)
        shown = json.loads(result.stdout)
        self.assertEqual(data["result"], shown, "what a program reads from the page is what --json prints")
        self.assertIn(" ".join(map(str, command)), data["about"]["command"])
        self.assertEqual(data["about"]["inferctl"], ctl("--version").stdout.split()[-1])
        return shown, tree

    @staticmethod
    def facts(tree):
        """The number in each row of two cells, by what the first says."""
        rows = [row for table in tree.iter("table") if table.get("class") == "facts" for row in table.iter("tr")]
        return {row[0].text: float(row[1].find("data").get("value")) for row in rows if row[1].find("data") is not None}

    def check_histogram(self, shown, count):
        ranges = shown["histogram_ms"]
        self.assertEqual(sum(r[2] for r in ranges), count)
        self.assertEqual([r[1] for r in ranges[:-1]], [r[0] for r in ranges[1:]])

    def test_bench(self):
        shown, tree = self.made("bench", model_path(VWW), "--iterations", 20, "--threads", 2)
        self.check_histogram(shown, 20)
        facts = self.facts(tree)
        for name, key in (("median", "median_ms"), ("fastest", "min_ms"), ("p90", "p90_ms"), ("p99", "p99_ms"),
                          ("slowest", "max_ms"), ("inferences a second", "inferences_per_s"), ("peak memory", "peak_rss_bytes")):
            self.assertEqual(facts[name], shown[key], name)
        self.assertEqual(facts["int8, one thread"], shown["peak_gmacs_per_s"]["int8"])
        self.assertEqual(facts["memory"], shown["memory_bandwidth"]["gbytes_per_s"])
        self.assertLess(shown["memory_bandwidth"]["gbytes_per_s"], 5000)
        table, = (t for t in tree.iter("table") if t.get("id") == "layers")
        rows = [[cell.find("data").get("value") if cell.find("data") is not None else cell.text for cell in row]
                for row in table.iter("tr")][1:]
        self.assertEqual([(r[0], r[1], r[2], float(r[3])) for r in rows],
                         [(layer["name"], layer["op"], layer["kernel"], layer["ms"]) for layer in shown["layers"]])
        multiplying = [layer for layer in shown["layers"] if layer["gmacs_per_s"] > 0 and layer["gbytes_per_s"] > 0]
        dots = list(tree.iter("circle"))
        self.assertEqual(len(dots), len(multiplying))
        self.assertEqual({d.get("class") for d in dots}, {"dot-int8"})
        self.assertEqual([d.find("title").text.split(": ")[0] for d in dots], [layer["name"] for layer in multiplying])
        self.assertTrue(any(line.get("class") == "memory" for line in tree.iter("line")), "the slope of memory is drawn")
        self.assertFalse([line for line in tree.iter("line") for value in line.attrib.values() if value in ("nan", "inf", "-nan")])

    def test_names_from_files_stay_text(self):
        model = self.folder / "<b>&'model.onnx"
        onnx.save(hostile_model(), str(model))
        shown, tree = self.made("bench", model, "--iterations", 3)
        self.assertTrue(any(HOSTILE in layer["name"] for layer in shown["layers"]), shown["layers"])
        seen = HOSTILE.replace("\x1b", "?")  # no control characters
        table, = (t for t in tree.iter("table") if t.get("id") == "layers")
        self.assertTrue(any((row[0].text or "").endswith(seen) for row in table.iter("tr")))
        self.assertIn("<b>&'model.onnx", tree.find("body/h1").text)
        self.assertEqual({d.get("class") for d in tree.iter("circle")}, {"dot-float32"})

    def test_load(self):
        with Daemon({"vww": (model_path(VWW), {})}) as daemon:
            shown, tree = self.made("load", "vww", "--rate", 100, "--duration", 1, endpoint=daemon.endpoint)
            self.check_histogram(shown, shown["succeeded"])
            self.assertGreater(shown["succeeded"], 0)
            facts = self.facts(tree)
            for key in ("p50", "p90", "p99", "p99.9", "max", "mean"):
                self.assertEqual(facts[key], shown["latency_ms"][key], key)
            self.assertEqual((facts["answered"], facts["sent"]), (shown["succeeded"], shown["sent"]))
            self.assertEqual(facts["answered a second"], shown["throughput"])
            text = "".join(tree.itertext())
            self.assertIn("open loop, 100.0 requests a second", text)
            self.assertIn(daemon.endpoint, text)
            # Hardly one in time: errors are told, and there may be nothing to draw.
            shown, tree = self.made("load", "vww", "--concurrency", 2, "--duration", 0.3, "--deadline-ms", 1,
                                    endpoint=daemon.endpoint)
            self.assertGreater(shown["errors"]["DEADLINE_EXCEEDED"], 0)
            self.assertEqual(self.facts(tree)["DEADLINE_EXCEEDED"], shown["errors"]["DEADLINE_EXCEEDED"])

    def test_a_report_that_cannot_be_written(self):
        result = ctl("bench", model_path(VWW), "--iterations", 1, "--html", "/nowhere/report.html")
        self.assertEqual(result.returncode, 1)
        self.assertIn("/nowhere/report.html", result.stderr)


if __name__ == "__main__":
    daemon_test.main()
