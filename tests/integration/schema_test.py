#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The schema of pipelines, as an editor uses it: takes the examples and those of the documentation, refuses mistakes."""
import argparse
import json
import pathlib
import re
import sys
import unittest

try:
    import jsonschema
    import yaml
except ImportError as error:
    print(f"SKIPPED: {error}; install python3-jsonschema and python3-yaml")
    sys.exit(77)

ARGS = None


class Yaml12(yaml.SafeLoader):
    """`on` and `no` are words, as for inferd and for editors."""


Yaml12.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:bool"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()}
Yaml12.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("^(true|false)$"), list("tf"))

LINE = "{name: p, source: test_pattern, stages: [%s]}"
GOOD = [
    "{name: p, source: {images: {path: a, fps: 2.5, loop: true}}}",
    "{name: p, source: {v4l2: {device: /dev/video0, control.gain: 3}}}",
    "{name: p, source: {lines: {udp: 5000, columns: [x, y]}}, sinks: [webhook: {url: 'http://a', on: changes}]}",
    LINE % "resize, nms: {iou: 0.5}, include: more.yaml, labels: , normalize: {mean: [1, 2, 3], std: 4}",
    LINE % "custom: {library: a.so, process: own, mine: [1, two]}",
    "{name: p, nodes: {a: {source: {rtsp: {url: 'rtsp://a'}}}, b: {from: [a], each: box, stages: [letterbox: {pad: 0}]}}}",
    "{name: p, parameters: {fps: 5, path: , on: [a, b]}, source: {images: {path: '${path}', fps: '${fps}'}}}",
]
BAD = {
    "no name": "{source: test_pattern}",
    "no source": "{name: p, stages: [resize]}",
    "source and nodes": "{name: p, source: test_pattern, nodes: {a: {source: test_pattern}}}",
    "stages beside nodes": "{name: p, nodes: {a: {source: test_pattern}}, stages: [resize]}",
    "a key of nothing": "{name: p, sources: test_pattern}",
    "a source that there is not": "{name: p, source: {camera: {device: a}}}",
    "a source without what it needs": "{name: p, source: {images: {fps: 5}}}",
    "a source's type alone that needs keys": "{name: p, source: images}",
    "a misspelt key": LINE % "nms: {iuo: 0.5}",
    "out of its range": LINE % "nms: {iou: 1.5}",
    "a word for a number": LINE % "nms: {iou: much}",
    "no whole number": LINE % "nms: {max: 1.5}",
    "a word for yes or no": LINE % "nms: {per_class: maybe}",
    "another word": LINE % "normalize: {order: rbg}",
    "a stage that there is not": LINE % "nmss",
    "two stages in one": LINE % "{nms: , labels: }",
    "keys beside the stage": "{name: p, source: test_pattern, stages: [{nms: , iou: 0.5}]}",
    "stages that are no list": "{name: p, source: test_pattern, stages: {nms: {}}}",
    "a sink as a stage": LINE % "jsonl",
    "a node with nothing": "{name: p, nodes: {a: {stages: [resize]}}}",
    "a node's wrong key": "{name: p, nodes: {a: {source: test_pattern, maxfps: 3}}}",
    "a join without tolerance": "{name: p, nodes: {a: {source: test_pattern}, b: {from: [a, a], join: {}}}}",
    "a negative deadline": "{name: p, source: test_pattern, deadline_ms: -1}",
}


class SchemaTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        schema = json.loads((ARGS.config / "schema/pipeline.schema.json").read_text())
        jsonschema.Draft7Validator.check_schema(schema)
        cls.validator = jsonschema.Draft7Validator(schema)

    def errors(self, text):
        return [e.message for e in self.validator.iter_errors(yaml.load(text, Loader=Yaml12))]

    def test_takes_the_examples(self):
        files = sorted((ARGS.config / "pipelines").glob("*.yaml"))
        self.assertGreater(len(files), 3)
        for file in files:
            with self.subTest(file.name):
                self.assertEqual(self.errors(file.read_text()), [])
                line = file.read_text().splitlines()[0]
                named = re.fullmatch(r"# yaml-language-server: \$schema=(\S+)", line)
                self.assertTrue(named and (file.parent / named[1]).is_file(), line)

    def test_takes_what_is_right(self):
        for text in GOOD:
            with self.subTest(text):
                self.assertEqual(self.errors(text), [])

    def test_refuses_mistakes(self):
        for what, text in BAD.items():
            with self.subTest(what):
                self.assertTrue(self.errors(text), text)

    def test_takes_the_documentations(self):
        """Parts of pipelines there, put where they belong."""
        count = 0
        for text in re.findall(r"```yaml\n(.*?)```", ARGS.docs.read_text(), re.S):
            part = yaml.load(text, Loader=Yaml12) if "pipelines:" not in text else None
            if not isinstance(part, dict) or not set(part) & {"source", "stages", "sinks", "nodes"}:
                continue
            whole = {"name": "p", **part}
            if "nodes" not in whole:
                whole.setdefault("source", "test_pattern")
            with self.subTest(text):
                self.assertEqual([e.message for e in self.validator.iter_errors(whole)], [])
            count += 1
        self.assertGreater(count, 4)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--config", type=pathlib.Path, required=True)
    parser.add_argument("--docs", type=pathlib.Path, required=True)
    ARGS, rest = parser.parse_known_args()
    unittest.main(argv=[sys.argv[0], *rest])
