# SPDX-License-Identifier: Apache-2.0
"""The models of the soak test, and requests to them with content of their own: no two have the same answer, so that an
answer that went to somebody else is seen."""
import json
import shutil
from dataclasses import dataclass
from typing import Dict

import numpy as np

# As tests/backends/scripted_model.h has it, and the options of config/models/model.yaml.
MODELS = {
    "echo": ({"backend": "identity", "inputs": [{"datatype": "FP32", "shape": [-1, 16]}], "run_us": 200},
             {"max_batch": 8, "max_delay_us": 1000, "instances": 2}),
    "pair": ({"backend": "add_sub", "inputs": [{"datatype": "INT32", "shape": [-1, 8]}] * 2},
             {"max_batch": 4, "dynamic_batching": {"priority_levels": 3}}),
    "large": ({"backend": "identity", "inputs": [{"datatype": "UINT8", "shape": [-1, 60000]}]}, {"max_batch": 2}),
    "slow": ({"backend": "identity", "inputs": [{"datatype": "FP32", "shape": [-1, 4]}], "run_us": 8000},
             {"max_batch": 4, "max_queue": 16}),
    "sum": ({"backend": "accumulate", "inputs": [{"datatype": "FP32", "shape": [1, 4]}]},
            {"sequence_batching": {"max_sequence_idle_microseconds": 2000000, "max_sequences": 256}, "instances": 2}),
    "broken": ({"backend": "fail", "inputs": [{"datatype": "FP32", "shape": [-1, 4]}], "message": "it is broken"},
               {"max_batch": 4}),
    "visitor": ({"backend": "identity", "inputs": [{"datatype": "FP32", "shape": [-1, 4]}], "load_ms": 20},
                {"instances": 2}),
}
REAL_MODEL = "tflite/vww_96_int8.tflite"
REAL_PICTURES = 32


def write_models(root, models):
    """Fills a repository; the real model comes along where `models` (a folder) has it."""
    for name, (script, options) in MODELS.items():
        (root / name / "1").mkdir(parents=True)
        (root / name / "1" / "model.test").write_text(json.dumps(script))
        (root / name / "model.yaml").write_text(json.dumps(options))
    file = models / REAL_MODEL
    if not file.exists():
        print(f"no {file}: only models of tests/backends", flush=True)
        return
    (root / "person" / "1").mkdir(parents=True)
    shutil.copyfile(file, root / "person" / "1" / "model.tflite")
    (root / "person" / "model.yaml").write_text(json.dumps({"max_batch": 4}))


@dataclass(frozen=True)
class Content:
    """A request and what must come back."""

    model: str
    inputs: Dict[str, np.ndarray]
    outputs: Dict[str, np.ndarray]

    def mistake(self, outputs):
        """What is wrong with an answer, {name: array}; None: nothing."""
        if set(outputs) != set(self.outputs):
            return f"{self.model}: outputs {sorted(outputs)} instead of {sorted(self.outputs)}"
        for name, expected in self.outputs.items():
            got = outputs[name]
            if got.dtype != expected.dtype or got.shape != expected.shape:
                return f"{self.model}: {name} is {got.dtype}{got.shape} instead of {expected.dtype}{expected.shape}"
            if got.tobytes() != expected.tobytes():
                return f"{self.model}: {name} is {got.ravel()[:4]}... instead of {expected.ravel()[:4]}..."
        return None


class Source:
    """Makes requests. `seed` must differ from thread to thread; `real` is the file that record_real() wrote, or None."""

    def __init__(self, seed, real=None):
        self.random = np.random.default_rng(seed)
        self._real = np.load(real) if real else None
        self._makers = [self.echo, self.echo, self.pair, self.large] + ([self.real] if real else [])

    def any(self):
        return self._makers[self.random.integers(len(self._makers))]()

    def small(self):
        return self._makers[self.random.integers(3)]()

    def echo(self):
        return self._identity("echo", (self._batch(4), 16))

    def slow(self):
        return self._identity("slow", (1, 4))

    def visitor(self):
        return self._identity("visitor", (1, 4))

    def broken(self):
        return self._identity("broken", (1, 4))

    def large(self):
        data = self.random.integers(0, 256, (self._batch(2), 60000), np.uint8)
        return Content("large", {"INPUT0": data}, {"OUTPUT0": data})

    def pair(self):
        a, b = self.random.integers(-1 << 30, 1 << 30, (2, self._batch(3), 8), np.int32)
        return Content("pair", {"INPUT0": a, "INPUT1": b}, {"OUTPUT0": a + b, "OUTPUT1": a - b})

    def real(self):
        which = self.random.integers(len(self._real["inputs"]))
        name = lambda key: str(self._real[key])  # noqa: E731
        return Content("person", {name("input"): self._real["inputs"][which]},
                       {name("output"): self._real["outputs"][which]})

    def steps(self, count):
        """Inputs and expected sums of a sequence of the model "sum"."""
        inputs = self.random.integers(0, 1 << 16, (count, 1, 4)).astype(np.float32)
        return [Content("sum", {"INPUT0": x}, {"OUTPUT0": s}) for x, s in zip(inputs, np.cumsum(inputs, 0, np.float32))]

    def _identity(self, model, shape):
        data = self.random.random(shape, np.float32)
        return Content(model, {"INPUT0": data}, {"OUTPUT0": data})

    def _batch(self, most):
        return int(self.random.integers(1, most + 1))


def record_real(client, path):
    """What the real model says of some pictures when nobody disturbs it. False: it is not served."""
    if "person" not in {m.name for m in client.models()}:
        return False
    model = client.model("person")
    # Noise around different brightnesses, so that the answers differ.
    inputs = [np.clip(np.random.default_rng(i).integers(-40, 40, [max(1, d) for d in model.inputs[0].shape]) + 6 * i - 96,
                      -128, 127).astype(model.inputs[0].dtype) for i in range(REAL_PICTURES)]
    outputs = [client.infer("person", x)[model.outputs[0].name] for x in inputs]
    np.savez(path, inputs=np.stack(inputs), outputs=np.stack(outputs), input=model.inputs[0].name,
             output=model.outputs[0].name)
    return True
