#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes ONNX graphs of well-known networks, float32 and int8, with random weights (fixed seed).

The architectures are the published ones at their usual input sizes; the weights are not trained,
so the files serve for speed and for comparing engines, not for accuracy. The int8 files are in QDQ
form, as static quantization makes it: uint8 activations, int8 weights per channel, int32 biases.
Networks of a few million products, as microcontrollers run them, go to OUTPUT_FOLDER/small, and
what measures the daemon to OUTPUT_FOLDER/serving.

  make_models.py OUTPUT_FOLDER [NAME...]      needs python3-onnx and python3-numpy
"""
import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


class Net:
    """A graph under construction. Tensors are named; in int8 every one gets a Q/DQ pair."""

    def __init__(self, name, shape, quantized):
        self.name = name
        self.quantized = quantized
        self.random = np.random.RandomState(7)
        self.nodes, self.constants, self.channels, self.scales = [], [], {}, {}
        self.input = helper.make_tensor_value_info("input", TensorProto.FLOAT, shape)
        self.channels["input"] = shape[1]
        self.x = self.q("input", -2.5, 2.5)

    def constant(self, values, name=None):
        name = name or f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(values, name))
        return name

    def node(self, op, inputs, channels, **attributes):
        out = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [out], name=f"{op}_{out}", **attributes))
        self.channels[out] = channels
        return out

    def q(self, tensor, low, high):
        """tensor -> DQ(Q(tensor)) with the range [low, high]; the tensor itself in float32."""
        if not self.quantized:
            return tensor
        scale = np.float32((high - low) / 255)
        zero = np.uint8(round(-low / scale))
        return self.requantize(tensor, scale, zero)

    def requantize(self, tensor, scale, zero):
        channels = self.channels[tensor]
        s, z = self.constant(np.float32(scale)), self.constant(np.uint8(zero))
        stored = self.node("QuantizeLinear", [tensor, s, z], channels)
        real = self.node("DequantizeLinear", [stored, s, z], channels)
        self.scales[real] = (scale, zero)
        return real

    def same_range(self, tensor, like):
        return self.requantize(tensor, *self.scales[like]) if self.quantized else tensor

    def weights(self, shape, channels_axis=0):
        """Constant weights, or in int8 their dequantized form. Returns name, scales."""
        fan_in = np.prod(shape) / shape[channels_axis]
        values = self.random.randn(*shape).astype(np.float32) * np.float32(np.sqrt(2.0 / fan_in))
        if not self.quantized:
            return self.constant(values), None
        axes = tuple(i for i in range(len(shape)) if i != channels_axis)
        scales = (np.abs(values).max(axis=axes) / 127).astype(np.float32)
        view = [1] * len(shape)
        view[channels_axis] = -1
        stored = np.clip(np.round(values / scales.reshape(view)), -127, 127).astype(np.int8)
        name = self.node("DequantizeLinear",
                         [self.constant(stored), self.constant(scales),
                          self.constant(np.zeros(len(scales), np.int8))], None, axis=channels_axis)
        return name, scales

    def bias(self, count, x, weight_scales):
        values = self.random.randn(count).astype(np.float32) * np.float32(0.1)
        if not self.quantized:
            return self.constant(values)
        scales = (self.scales[x][0] * weight_scales).astype(np.float32)
        stored = np.round(values / scales).astype(np.int32)
        return self.node("DequantizeLinear", [self.constant(stored), self.constant(scales),
                                              self.constant(np.zeros(count, np.int32))], None, axis=0)

    def conv(self, x, out, kernel, stride=1, groups=1, act="relu6", pad=None):
        """`kernel`: a number or (height, width); `pad`: one for each side or (top, left, bottom,
        right), half the kernel when not given."""
        kernel = [kernel] * 2 if isinstance(kernel, int) else list(kernel)
        pad = kernel[0] // 2 if pad is None else pad
        pads = [pad] * 4 if isinstance(pad, int) else list(pad)
        channels = self.channels[x]
        w, scales = self.weights((out, channels // groups, *kernel))
        b = self.bias(out, x, scales)
        y = self.node("Conv", [x, w, b], out, kernel_shape=kernel, strides=[stride] * 2, pads=pads,
                      group=groups)
        return self.activate(y, act)

    def dense(self, x, out, act=None):
        w, scales = self.weights((out, self.channels[x]))
        y = self.node("Gemm", [x, w, self.bias(out, x, scales)], out, transB=1)
        return self.activate(y, act) if act else self.q(y, -8, 8)

    def activate(self, y, act):
        channels = self.channels[y]
        if act == "relu6":
            y = self.node("Clip", [y, self.constant(np.float32(0)), self.constant(np.float32(6))],
                          channels)
            return self.q(y, 0, 6)
        if act == "relu":
            return self.q(self.node("Relu", [y], channels), 0, 5)
        y = self.q(y, -4, 4)
        if act == "hardswish":
            return self.q(self.node("HardSwish", [y], channels), -0.375, 4)
        if act == "silu":
            gate = self.q(self.node("Sigmoid", [y], channels), 0, 1)
            return self.q(self.node("Mul", [y, gate], channels), -0.28, 4)
        if act == "hardsigmoid":
            return self.q(self.node("HardSigmoid", [y], channels, alpha=1 / 6, beta=0.5), 0, 1)
        return y

    def add(self, a, b, act=None):
        y = self.node("Add", [a, b], self.channels[a])
        return self.activate(y, act) if act else self.q(y, -6, 6)

    def mul(self, a, b):
        return self.q(self.node("Mul", [a, b], self.channels[a]), -4, 4)

    def max_pool(self, x, kernel, stride, pad=0, ceil=0):
        y = self.node("MaxPool", [x], self.channels[x], kernel_shape=[kernel] * 2,
                      strides=[stride] * 2, pads=[pad] * 4, ceil_mode=ceil)
        return self.same_range(y, x)

    def average_pool(self, x, kernel):
        y = self.node("AveragePool", [x], self.channels[x], kernel_shape=list(kernel),
                      strides=list(kernel))
        return self.same_range(y, x)

    def pad_channels(self, x, count):
        """`count` more channels, of zeros."""
        y = self.node("Pad", [x, self.constant(np.array([0, 0, 0, 0, 0, count, 0, 0], np.int64))],
                      self.channels[x] + count)
        return self.same_range(y, x)

    def mean(self, x):
        return self.q(self.node("GlobalAveragePool", [x], self.channels[x]), -2, 4)

    def concat(self, xs):
        y = self.node("Concat", xs, sum(self.channels[x] for x in xs), axis=1)
        return self.q(y, -4, 5)

    def split_half(self, x):
        half = self.channels[x] // 2
        outs = [self.node("Slice", [x] + [self.constant(np.array([v], np.int64)) for v in (b, e, 1)],
                          half) for b, e in ((0, half), (half, 2 * half))]
        return [self.same_range(y, x) for y in outs]

    def upsample(self, x):
        y = self.node("Resize", [x, "", self.constant(np.array([1, 1, 2, 2], np.float32))],
                      self.channels[x], mode="nearest", nearest_mode="floor",
                      coordinate_transformation_mode="asymmetric")
        return self.same_range(y, x)

    def flatten(self, x):
        return self.same_range(self.node("Flatten", [x], self.channels[x]), x)

    def softmax(self, x):
        return self.q(self.node("Softmax", [x], self.channels[x], axis=1), 0, 1)

    def classify(self, x, classes=1000):
        return self.dense(self.flatten(self.mean(x)), classes)

    def save(self, folder, outputs):
        infos = []
        for i, tensor in enumerate(outputs):
            self.nodes.append(helper.make_node("Identity", [tensor], [f"output{i}"]))
            infos.append(helper.make_tensor_value_info(f"output{i}", TensorProto.FLOAT, None))
        graph = helper.make_graph(self.nodes, self.name, [self.input], infos, self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)])
        model.ir_version = 7
        path = folder / f"{self.name}_{'int8' if self.quantized else 'f32'}.onnx"
        onnx.save(onnx.shape_inference.infer_shapes(model), str(path))
        print(path)


def mobilenet_v1(net, taps=()):
    x = net.conv(net.x, 32, 3, 2)
    taken = []
    for i, (out, stride) in enumerate([(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)] +
                                      [(512, 1)] * 5 + [(1024, 2), (1024, 1)]):
        x = net.conv(x, net.channels[x], 3, stride, net.channels[x])
        x = net.conv(x, out, 1)
        if i in taps:
            taken.append(x)
    return (x, taken) if taps else x


def make_mobilenet_v1(net):
    return [net.classify(mobilenet_v1(net))]


def make_mobilenet_v2(net):
    x = net.conv(net.x, 32, 3, 2)
    for expand, out, count, stride in [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2),
                                       (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)]:
        for i in range(count):
            entry, inner = x, net.channels[x] * expand
            y = x if expand == 1 else net.conv(x, inner, 1)
            y = net.conv(y, inner, 3, stride if i == 0 else 1, inner)
            y = net.conv(y, out, 1, act=None)
            x = net.add(entry, y) if i > 0 else y
    return [net.classify(net.conv(x, 1280, 1))]


def make_mobilenet_v3_large(net):
    rows = [(3, 16, 16, 0, "relu", 1), (3, 64, 24, 0, "relu", 2), (3, 72, 24, 0, "relu", 1),
            (5, 72, 40, 1, "relu", 2), (5, 120, 40, 1, "relu", 1), (5, 120, 40, 1, "relu", 1),
            (3, 240, 80, 0, "hardswish", 2), (3, 200, 80, 0, "hardswish", 1),
            (3, 184, 80, 0, "hardswish", 1), (3, 184, 80, 0, "hardswish", 1),
            (3, 480, 112, 1, "hardswish", 1), (3, 672, 112, 1, "hardswish", 1),
            (5, 672, 160, 1, "hardswish", 2), (5, 960, 160, 1, "hardswish", 1),
            (5, 960, 160, 1, "hardswish", 1)]
    x = net.conv(net.x, 16, 3, 2, act="hardswish")
    for kernel, inner, out, squeeze, act, stride in rows:
        entry = x
        y = net.conv(x, inner, 1, act=act) if inner != net.channels[x] else x
        y = net.conv(y, inner, kernel, stride, inner, act=act)
        if squeeze:
            few = (inner // 4 + 4) // 8 * 8
            gate = net.conv(net.mean(y), few, 1, act="relu")
            y = net.mul(y, net.conv(gate, inner, 1, act="hardsigmoid"))
        y = net.conv(y, out, 1, act=None)
        x = net.add(entry, y) if stride == 1 and net.channels[entry] == out else y
    x = net.conv(x, 960, 1, act="hardswish")
    x = net.conv(net.mean(x), 1280, 1, act="hardswish")
    return [net.flatten(net.conv(x, 1000, 1, act=None))]


def make_squeezenet_1_1(net):
    def fire(x, squeeze, expand):
        x = net.conv(x, squeeze, 1, act="relu")
        return net.concat([net.conv(x, expand, 1, act="relu"), net.conv(x, expand, 3, act="relu")])

    x = net.conv(net.x, 64, 3, 2, act="relu", pad=0)
    x = net.max_pool(x, 3, 2, ceil=1)
    x = fire(fire(x, 16, 64), 16, 64)
    x = net.max_pool(x, 3, 2, ceil=1)
    x = fire(fire(x, 32, 128), 32, 128)
    x = net.max_pool(x, 3, 2, ceil=1)
    x = fire(fire(fire(fire(x, 48, 192), 48, 192), 64, 256), 64, 256)
    return [net.flatten(net.mean(net.conv(x, 1000, 1, act="relu")))]


def make_resnet(net, counts, bottleneck):
    x = net.max_pool(net.conv(net.x, 64, 7, 2, act="relu"), 3, 2, 1)
    for stage, count in enumerate(counts):
        width = 64 << stage
        out = width * 4 if bottleneck else width
        for i in range(count):
            stride = 2 if stage > 0 and i == 0 else 1
            entry = x
            if bottleneck:
                y = net.conv(x, width, 1, act="relu")
                y = net.conv(y, width, 3, stride, act="relu")
                y = net.conv(y, out, 1, act=None)
            else:
                y = net.conv(x, width, 3, stride, act="relu")
                y = net.conv(y, out, 3, act=None)
            if stride != 1 or net.channels[entry] != out:
                entry = net.conv(entry, out, 1, stride, act=None)
            x = net.add(y, entry, "relu")
    return [net.classify(x)]


def make_ssd_mobilenet_v1(net):
    x, (first, second) = mobilenet_v1(net, taps=(10, 12))
    features = [first, second]
    for few, out in [(256, 512), (128, 256), (128, 256), (64, 128)]:
        x = net.conv(net.conv(x, few, 1), out, 3, 2)
        features.append(x)
    boxes, scores = [], []
    for i, feature in enumerate(features):
        anchors = 3 if i == 0 else 6
        for outs, width in ((boxes, 4), (scores, 91)):
            y = net.conv(feature, anchors * width, 1, act=None)
            y = net.same_range(net.node("Transpose", [y], None, perm=[0, 2, 3, 1]), y)
            shape = net.constant(np.array([1, -1, width], np.int64))
            outs.append(net.same_range(net.node("Reshape", [y, shape], None), y))
    boxes = net.same_range(net.node("Concat", boxes, None, axis=1), boxes[0])
    scores = net.same_range(net.node("Concat", scores, None, axis=1), scores[0])
    return [boxes, net.q(net.node("Sigmoid", [scores], None), 0, 1)]


def make_yolo_nano(net):
    """The layout of a YOLOv8-nano detector: C2f blocks, SPPF, two-way feature pyramid, 80 classes."""
    def conv(x, out, kernel=1, stride=1):
        return net.conv(x, out, kernel, stride, act="silu")

    def c2f(x, out, count, shortcut):
        parts = net.split_half(conv(x, out))
        for _ in range(count):
            y = conv(conv(parts[-1], out // 2, 3), out // 2, 3)
            parts.append(net.add(parts[-1], y) if shortcut else y)
        return conv(net.concat(parts), out)

    x = conv(conv(net.x, 16, 3, 2), 32, 3, 2)
    x = c2f(x, 32, 1, True)
    p3 = c2f(conv(x, 64, 3, 2), 64, 2, True)
    p4 = c2f(conv(p3, 128, 3, 2), 128, 2, True)
    x = c2f(conv(p4, 256, 3, 2), 256, 1, True)
    x = conv(x, 128)
    pools = [x]
    for _ in range(3):
        pools.append(net.max_pool(pools[-1], 5, 1, 2))
    p5 = conv(net.concat(pools), 256)
    n4 = c2f(net.concat([net.upsample(p5), p4]), 128, 1, False)
    n3 = c2f(net.concat([net.upsample(n4), p3]), 64, 1, False)
    n4 = c2f(net.concat([conv(n3, 64, 3, 2), n4]), 128, 1, False)
    n5 = c2f(net.concat([conv(n4, 128, 3, 2), p5]), 256, 1, False)
    outputs = []
    for level in (n3, n4, n5):
        box = net.conv(conv(conv(level, 64, 3), 64, 3), 64, 1, act=None)
        score = net.conv(conv(conv(level, 80, 3), 80, 3), 80, 1, act=None)
        shape = net.constant(np.array([1, 144, -1], np.int64))
        both = net.concat([box, score])
        outputs.append(net.same_range(net.node("Reshape", [both, shape], None), both))
    return [net.same_range(net.node("Concat", outputs, None, axis=2), outputs[0])]


# What TensorFlow's SAME padding is for windows of 3x3 and 5x5 that move by two over an even size.
SAME_3_BY_2 = (0, 0, 1, 1)
SAME_5_BY_2 = (1, 1, 2, 2)


def make_ds_cnn(net):
    """MLPerf Tiny, keyword spotting: one second of sound as 49 frames of 10 coefficients."""
    x = net.conv(net.x, 64, (10, 4), 2, act="relu", pad=(4, 1, 5, 1))
    for _ in range(4):
        x = net.conv(x, 64, 3, groups=64, act="relu")
        x = net.conv(x, 64, 1, act="relu")
    x = net.average_pool(x, (24, 5))
    return [net.softmax(net.dense(net.flatten(x), 12))]


def make_person_detection(net):
    """MLPerf Tiny, visual wake words: MobileNet V1 with a quarter of the channels."""
    x = net.conv(net.x, 8, 3, 2, act="relu", pad=SAME_3_BY_2)
    for out, stride in [(16, 1), (32, 2), (32, 1), (64, 2), (64, 1), (128, 2)] + \
                       [(128, 1)] * 5 + [(256, 2), (256, 1)]:
        x = net.conv(x, net.channels[x], 3, stride, net.channels[x], act="relu",
                     pad=SAME_3_BY_2 if stride == 2 else 1)
        x = net.conv(x, out, 1, act="relu")
    x = net.average_pool(x, (3, 3))
    return [net.softmax(net.dense(net.flatten(x), 2))]


def make_resnet_8(net):
    """MLPerf Tiny, image classification: CIFAR-10."""
    x = net.conv(net.x, 16, 3, act="relu")
    for out, stride in [(16, 1), (32, 2), (64, 2)]:
        pad = SAME_3_BY_2 if stride == 2 else 1
        y = net.conv(x, out, 3, stride, act="relu", pad=pad)
        y = net.conv(y, out, 3, act=None)
        if stride == 2:
            x = net.conv(x, out, 1, stride, act=None)
        x = net.add(x, y, "relu")
    x = net.average_pool(x, (8, 8))
    return [net.softmax(net.dense(net.flatten(x), 10))]


def make_autoencoder(net):
    """MLPerf Tiny, anomaly detection in sound: five frames of 128 bands."""
    x = net.x
    for out in [128] * 4 + [8] + [128] * 4:
        x = net.dense(x, out, "relu")
    return [net.dense(x, 640)]


def make_blazeface(net):
    """MediaPipe's face detector for front cameras."""
    x = net.conv(net.x, 24, 5, 2, act="relu", pad=SAME_5_BY_2)
    features = []
    for out, stride in [(24, 1), (28, 1), (32, 2), (36, 1), (42, 1), (48, 2), (56, 1), (64, 1),
                        (72, 1), (80, 1), (88, 1), (96, 2)] + [(96, 1)] * 4:
        if stride == 2 and out == 96:
            features.append(x)
        entry, channels = x, net.channels[x]
        y = net.conv(x, channels, 3, stride, channels, act=None,
                     pad=SAME_3_BY_2 if stride == 2 else 1)
        y = net.conv(y, out, 1, act=None)
        if stride == 2:
            entry = net.max_pool(entry, 2, 2)
        if channels < out:
            entry = net.pad_channels(entry, out - channels)
        x = net.add(y, entry, "relu")
    features.append(x)
    outputs = []
    for width in (16, 1):  # coordinates, score
        parts = []
        for feature, anchors in zip(features, (2, 6)):
            y = net.conv(feature, anchors * width, 1, act=None)
            y = net.same_range(net.node("Transpose", [y], None, perm=[0, 2, 3, 1]), y)
            shape = net.constant(np.array([1, -1, width], np.int64))
            parts.append(net.same_range(net.node("Reshape", [y, shape], None), y))
        outputs.append(net.same_range(net.node("Concat", parts, None, axis=1), parts[0]))
    return outputs


def picture(size):
    return (1, 3, size, size)


# Name: shape of the input, and the function that builds the network.
NETS = {
    "mobilenet_v1": (picture(224), make_mobilenet_v1),
    "mobilenet_v2": (picture(224), make_mobilenet_v2),
    "mobilenet_v3_large": (picture(224), make_mobilenet_v3_large),
    "squeezenet_1_1": (picture(224), make_squeezenet_1_1),
    "resnet_18": (picture(224), lambda net: make_resnet(net, (2, 2, 2, 2), False)),
    "resnet_50": (picture(224), lambda net: make_resnet(net, (3, 4, 6, 3), True)),
    "ssd_mobilenet_v1": (picture(300), make_ssd_mobilenet_v1),
    "yolo_nano": (picture(320), make_yolo_nano),
}
SMALL_NETS = {
    "ds_cnn": ((1, 1, 49, 10), make_ds_cnn),
    "person_detection": (picture(96), make_person_detection),
    "resnet_8": (picture(32), make_resnet_8),
    "autoencoder": ((1, 640), make_autoencoder),
    "blazeface": (picture(128), make_blazeface),
}


def save_pool(folder):
    """147 KiB in, 4 KiB out and hardly anything to compute: what serving costs by itself."""
    shapes = [helper.make_tensor_value_info(name, TensorProto.UINT8, [1, 1, *size])
              for name, size in (("x", (384, 392)), ("y", (64, 65)))]
    node = helper.make_node("MaxPool", ["x"], ["y"], kernel_shape=[6, 6], strides=[6, 6])
    graph = helper.make_graph([node], "pool", shapes[:1], shapes[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(model, folder / "pool.onnx")


def save_gru(folder, features=576, dense=256, cells=128):
    """Two layers and a GRU over one frame, its state "h" to "hn": as large as a detector of speech."""
    random, constants, nodes = np.random.RandomState(7), [], []

    def weights(name, *shape):
        constants.append(numpy_helper.from_array((random.randn(*shape) * 0.08).astype(np.float32), name))
        return name

    def node(op, inputs, outputs, **attributes):
        nodes.append(helper.make_node(op, inputs, outputs, **attributes))

    constants.append(numpy_helper.from_array(np.array([1], np.int64), "one"))
    for x, y, size in (("x", "a", features), ("a_relu", "b", dense)):
        node("Gemm", [x, weights("w_" + y, size, dense), weights("bias_" + y, dense)], [y])
        node("Relu", [y], [y + "_relu"])
    for x in ("b_relu", "h"):
        node("Unsqueeze", [x, "one"], [x + "_step"])
    gates = 3 * cells
    node("GRU", ["b_relu_step", weights("w", 1, gates, dense), weights("r", 1, gates, cells),
                 weights("bias", 1, 2 * gates), "", "h_step"], ["", "hn_step"], hidden_size=cells, layout=1)
    node("Squeeze", ["hn_step", "one"], ["hn"])
    node("Gemm", ["hn", weights("w_y", cells, 1), weights("bias_y", 1)], ["logit"])
    node("Sigmoid", ["logit"], ["y"])
    infos = {name: helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, size])
             for name, size in (("x", features), ("h", cells), ("y", 1), ("hn", cells))}
    graph = helper.make_graph(nodes, "gru", [infos["x"], infos["h"]], [infos["y"], infos["hn"]], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)])
    model.ir_version = 8
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(model, folder / "gru.onnx")


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    for folder, nets in ((Path(sys.argv[1]), NETS), (Path(sys.argv[1]) / "small", SMALL_NETS)):
        folder.mkdir(parents=True, exist_ok=True)
        for name, (shape, make) in nets.items():
            if sys.argv[2:] and name not in sys.argv[2:]:
                continue
            for quantized in (False, True):
                net = Net(name, list(shape), quantized)
                net.save(folder, make(net))
    save_pool(Path(sys.argv[1]) / "serving")
    save_gru(Path(sys.argv[1]) / "serving")
    unknown = set(sys.argv[2:]) - NETS.keys() - SMALL_NETS.keys()
    if unknown:
        sys.exit("no such network: " + ", ".join(sorted(unknown)))


if __name__ == "__main__":
    main()
