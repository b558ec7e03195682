#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What pipelines' decoders must find in a model's outputs, written down a second time with NumPy.

  decode_reference.py FAMILY FOLDER

FOLDER has output_K.npy and meta.json: {"input": [height, width], "frame": [height, width], "placement": [scale_x,
scale_y, offset_x, offset_y], "quantization": [[scale, zero_point] for each output], "options": {...}}. Writes
expected.json: detections, classes, areas and mask as in a pipeline's result. Nothing here is taken from the daemon's
code: formulas come from the models' publications, named at each function. Exits with 77 where NumPy is not installed.
"""
import json
import pathlib
import sys

try:
    import numpy as np
except ImportError:
    sys.exit(77)

FAMILY, FOLDER = sys.argv[1], pathlib.Path(sys.argv[2])
META = json.loads((FOLDER / "meta.json").read_text())
HEIGHT, WIDTH = META["input"]
OPTIONS = META["options"]
MIN_SCORE = float(OPTIONS.get("min_score", 0.5))


def outputs():
    """The numbers that the outputs mean, in double precision."""
    arrays = []
    for k, (scale, zero) in enumerate(META["quantization"]):
        array = np.load(FOLDER / f"output_{k}.npy")
        arrays.append((array.astype(np.float64) - zero) * scale)
    return arrays


def to_frame(points):
    """From pixels of the input to parts of the frame; the last axis is x, y, x, y, ..."""
    scale_x, scale_y, offset_x, offset_y = META["placement"]
    points = np.array(points, np.float64)
    points[..., 0::2] = (points[..., 0::2] / WIDTH - offset_x) / scale_x
    points[..., 1::2] = (points[..., 1::2] / HEIGHT - offset_y) / scale_y
    return points


def found(boxes, scores, classes, points=None, point_scores=None):
    """Detections from corners and points in pixels of the input."""
    boxes = np.clip(to_frame(np.reshape(boxes, (-1, 4))), 0, 1)
    result = []
    for i, box in enumerate(boxes):
        item = {"box": box.tolist(), "score": float(scores[i]), "class_id": int(classes[i]), "keypoints": []}
        if points is not None:
            places = to_frame(np.reshape(points[i], (-1, 2)))
            given = np.ones(len(places)) if point_scores is None else point_scores[i]
            item["keypoints"] = [[x, y, s] for (x, y), s in zip(places.tolist(), np.asarray(given).tolist())]
        result.append(item)
    return {"detections": result}


def corners(cx, cy, w, h):
    return np.stack([cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2], -1)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def priors(strides, middle=0.0):
    """Column, row and stride of every cell of every grid, all of one grid after the other."""
    cells = []
    for s in strides:
        rows, columns = np.mgrid[0:-(-HEIGHT // s), 0:-(-WIDTH // s)]
        cells.append(np.stack([columns.ravel() + middle, rows.ravel() + middle, np.full(rows.size, s)], -1))
    return np.concatenate(cells).astype(np.float64)


def yunet():
    """OpenCV's face_detect.cpp: score of face and object, box and five points of each cell."""
    o = outputs()
    face, thing, box, points = (np.concatenate([a.reshape(-1, w) for a in o[3 * k:3 * k + 3]])
                                for k, w in enumerate((1, 1, 4, 10)))
    score = np.sqrt(np.clip(face, 0, 1) * np.clip(thing, 0, 1))[:, 0]
    cells = priors([8, 16, 32])
    column, row, stride = cells.T
    boxes = corners((column + box[:, 0]) * stride, (row + box[:, 1]) * stride, np.exp(box[:, 2]) * stride,
                    np.exp(box[:, 3]) * stride)
    places = (points.reshape(-1, 5, 2) + cells[:, None, :2]) * stride[:, None, None]
    keep = score >= MIN_SCORE
    return found(boxes[keep], score[keep], np.zeros(keep.sum()), places[keep])


def blazeface():
    """MediaPipe's SSD anchors with fixed size, and its tensors_to_detections calculator."""
    o = {a.shape[-1]: a for a in outputs()}
    code, logit = o[16][0], o[1][0, :, 0]
    strides, per_cell = OPTIONS["strides"], OPTIONS["anchors_per_cell"]
    anchors, layer = [], 0
    while layer < len(strides):
        same = [s for s in strides[layer:] if s == strides[layer]]
        side = WIDTH // strides[layer]
        for y in range(side):
            for x in range(side):
                anchors += [((x + 0.5) / side * WIDTH, (y + 0.5) / side * HEIGHT)] * (per_cell * len(same))
        layer += len(same)
    anchors = np.array(anchors)
    boxes = corners(code[:, 0] + anchors[:, 0], code[:, 1] + anchors[:, 1], code[:, 2], code[:, 3])
    places = code[:, 4:].reshape(-1, 6, 2) + anchors[:, None]
    score = sigmoid(logit)
    keep = score >= MIN_SCORE
    return found(boxes[keep], score[keep], np.zeros(keep.sum()), places[keep])


def fastestdet():
    """dog-qiuqiu/FastestDet, utils/tool.py handle_preds."""
    o = outputs()[0][0]
    rows, columns = np.mgrid[0:o.shape[1], 0:o.shape[2]]
    best = o[5:].argmax(0)
    score = o[0] ** 0.6 * o[5:].max(0) ** 0.4
    boxes = corners((columns + np.tanh(o[1])) / o.shape[2] * WIDTH, (rows + np.tanh(o[2])) / o.shape[1] * HEIGHT,
                    sigmoid(o[3]) * WIDTH, sigmoid(o[4]) * HEIGHT)
    keep = score >= MIN_SCORE
    return found(boxes[keep], score[keep], best[keep])


def distances(logits, stride):
    """NanoDet's Integral: the mean of softmax over the steps, in pixels."""
    steps = logits.shape[-1] // 4
    logits = logits.reshape(-1, 4, steps)
    weights = np.exp(logits - logits.max(-1, keepdims=True))
    weights /= weights.sum(-1, keepdims=True)
    return weights @ np.arange(steps) * stride[:, None]


def edges(cells, scores, logits):
    point, stride = cells[:, :2] * cells[:, 2:], cells[:, 2]
    far = distances(logits, stride)
    boxes = np.concatenate([point - far[:, :2], point + far[:, 2:]], -1)
    score = scores.max(-1)
    keep = score >= MIN_SCORE
    return found(boxes[keep], score[keep], scores.argmax(-1)[keep])


def nanodet():
    """RangiLyu/nanodet, nanodet_head.py: points are the middles of cells."""
    o = outputs()
    return edges(priors([8, 16, 32], 0.5), np.concatenate([a[0] for a in o[:3]]),
                 np.concatenate([a[0] for a in o[3:]]))


def nanodet_plus():
    """nanodet_plus_head.py: four grids in one output, points are the corners of cells."""
    o = outputs()[0][0]
    return edges(priors([8, 16, 32, 64]), o[:, :-32], o[:, -32:])


def yolox():
    """Megvii-BaseDetection/YOLOX, utils/demo_utils.py demo_postprocess."""
    o = outputs()[0][0]
    cells = priors([8, 16, 32])
    centre, size = (o[:, :2] + cells[:, :2]) * cells[:, 2:], np.exp(o[:, 2:4]) * cells[:, 2:]
    scores = o[:, 4:5] * o[:, 5:]
    keep = scores.max(-1) >= MIN_SCORE
    return found(corners(*centre.T, *size.T)[keep], scores.max(-1)[keep], scores.argmax(-1)[keep])


def yolo_rows(boxes, scores):
    unit = [1, 1, 1, 1] if OPTIONS.get("units", "pixels") == "pixels" else [WIDTH, HEIGHT, WIDTH, HEIGHT]
    keep = scores.max(-1) >= MIN_SCORE
    return found(corners(*(boxes * unit).T)[keep], scores.max(-1)[keep], scores.argmax(-1)[keep])


def yolo_v5():
    """ultralytics/yolov5, utils/general.py non_max_suppression: only what is an object, confidence = object * class."""
    o = outputs()[0][0]
    o = o[o[:, 4] >= MIN_SCORE]
    return yolo_rows(o[:, :4], o[:, 4:5] * o[:, 5:])


def yolo_heads():
    """darknet's yolo_layer.c, and Detect of ultralytics/yolov5; each output as [anchors, rows, columns, numbers]."""
    heads, sizes = [], np.reshape(OPTIONS["anchors"], (len(META["quantization"]), -1, 2))
    for o in outputs():
        o, count = o[0], sizes.shape[1]
        if OPTIONS["layout"] == "first":
            o = np.moveaxis(o.reshape(count, -1, *o.shape[1:]), 1, -1)
        elif OPTIONS["layout"] == "last":
            o = np.moveaxis(o.reshape(*o.shape[:2], count, -1), 2, 0)
        heads.append(o)
    heads.sort(key=lambda o: -o.shape[1])
    boxes, scores, kinds = [], [], []
    f = OPTIONS.get("scale_xy", 1)
    for o, anchors in zip(heads, sizes):
        stride = HEIGHT / o.shape[1]
        rows, columns = np.mgrid[0:o.shape[1], 0:o.shape[2]]
        x = (columns + f * sigmoid(o[..., 0]) - (f - 1) / 2) * stride
        y = (rows + f * sigmoid(o[..., 1]) - (f - 1) / 2) * stride
        grow = (2 * sigmoid(o[..., 2:4])) ** 2 if OPTIONS.get("squared") else np.exp(o[..., 2:4])
        size = anchors[:, None, None] * grow
        score = sigmoid(o[..., 4]) * sigmoid(o[..., 5:]).max(-1)
        row, column, anchor = np.nonzero(np.moveaxis(score >= MIN_SCORE, 0, -1))
        at = (anchor, row, column)
        boxes.append(corners(x[at], y[at], size[..., 0][at], size[..., 1][at]))
        scores.append(score[at])
        kinds.append(o[..., 5:].argmax(-1)[at])
    return found(np.concatenate(boxes), np.concatenate(scores), np.concatenate(kinds))


def yolo_v8():
    """ultralytics, utils/ops.py non_max_suppression: [4 + classes, boxes], no object."""
    o = outputs()[0][0].T
    return yolo_rows(o[:, :4], o[:, 4:])


def yolo_v10():
    """THU-MIG/yolov10: corners, score and class of what is left."""
    o = outputs()[0][0]
    keep = (o[:, 4] >= MIN_SCORE) & (o[:, 5] >= 0)
    return found(o[keep, :4], o[keep, 4], o[keep, 5])


def people(points, scores, given=None):
    """Points of each person [people, points, (y, x, score)] in parts of the input."""
    places = points[:, :, 1::-1] * [WIDTH, HEIGHT]
    boxes, keep = [], []
    for i, person in enumerate(points):
        seen = places[i][person[:, 2] >= OPTIONS.get("min_point_score", 0.2)]
        boxes.append(np.concatenate([seen.min(0), seen.max(0)]) if len(seen) else np.zeros(4))
        keep.append(scores[i] >= MIN_SCORE and (given is not None or len(seen) > 0))
    boxes = np.array(boxes) if given is None else given * [WIDTH, HEIGHT, WIDTH, HEIGHT]
    keep = np.array(keep)
    return found(boxes[keep], scores[keep], np.zeros(len(boxes)), places[keep], points[keep][:, :, 2])


def centernet():
    """ctdet_decode of CenterNet: cells that a 3x3 max pooling leaves as they are; sizes and offsets in cells."""
    o = outputs()
    if o[1].shape[1] != 2:
        o = [np.moveaxis(a, -1, 1) for a in o]
    heat = sigmoid(o[0][0]) if OPTIONS.get("logits", True) else np.minimum(o[0][0], 1)
    rows, columns = heat.shape[1:]
    padded = np.pad(o[0][0], ((0, 0), (1, 1), (1, 1)), constant_values=-np.inf)
    pooled = np.max([padded[:, y:y + rows, x:x + columns] for y in range(3) for x in range(3)], 0)
    row, column, kind = np.nonzero(np.moveaxis((o[0][0] == pooled) & (heat >= MIN_SCORE), 0, -1))
    offset = o[2][0][:, row, column] if len(o) > 2 else np.zeros((2, len(row)))
    stride = HEIGHT / rows
    size = o[1][0][:, row, column] * stride
    return found(corners((column + offset[0]) * stride, (row + offset[1]) * stride, size[0], size[1]),
                 heat[kind, row, column], kind)


def movenet():
    """TensorFlow Hub, movenet/singlepose: [1, 1, 17, (y, x, score)]."""
    points = outputs()[0][0]
    return people(points, points[:, :, 2].mean(-1))


def movenet_multi():
    """movenet/multipose: 17 points, then ymin, xmin, ymax, xmax, score."""
    o = outputs()[0][0]
    return people(o[:, :-5].reshape(len(o), -1, 3), o[:, -1], o[:, [-4, -5, -2, -3]])


def posenet():
    """tfjs-models, posenet/src/single_pose: the best cell of each heat map, moved by its offset."""
    heat, offset = outputs()[0][0], outputs()[1][0]
    count = heat.shape[-1]
    points = []
    for k in range(count):
        row, column = np.unravel_index(heat[:, :, k].argmax(), heat.shape[:2])
        y = row * (HEIGHT - 1) / (heat.shape[0] - 1) + offset[row, column, k]
        x = column * (WIDTH - 1) / (heat.shape[1] - 1) + offset[row, column, count + k]
        points.append([y / HEIGHT, x / WIDTH, sigmoid(heat[row, column, k])])
    points = np.array([points])
    return people(points, points[:, :, 2].mean(-1))


def classes():
    scores = outputs()[0].ravel()
    if OPTIONS.get("softmax"):
        scores = np.exp(scores - scores.max())
        scores /= scores.sum()
    order = np.argsort(-scores, kind="stable")[:OPTIONS.get("top", 5)]
    return {"classes": [[int(i), float(scores[i])] for i in order]}


def segments():
    """Each cell of a grid over the frame takes the class at the place of the map under its middle."""
    o = outputs()[0]
    if OPTIONS["layout"] == "labels":
        labels = o.reshape(o.shape[1], o.shape[2]).astype(int)
    elif OPTIONS["layout"] == "chance":
        labels = (o.reshape(o.shape[1], o.shape[2]) >= 0.5).astype(int)
    else:
        labels = o[0].argmax(0 if OPTIONS["layout"] == "planes" else -1)
    height, width = META["frame"]
    side = min(OPTIONS.get("size", max(labels.shape)), max(height, width))
    grid_h, grid_w = height * side // max(height, width), width * side // max(height, width)
    scale_x, scale_y, offset_x, offset_y = META["placement"]
    rows = (((np.arange(grid_h) + 0.5) / grid_h * scale_y + offset_y) * labels.shape[0]).astype(int)
    columns = (((np.arange(grid_w) + 0.5) / grid_w * scale_x + offset_x) * labels.shape[1]).astype(int)
    mask = labels[rows][:, columns].ravel()
    starts = np.concatenate([[0], np.flatnonzero(np.diff(mask)) + 1, [mask.size]])
    runs = [n for s, e in zip(starts[:-1], starts[1:]) for n in (int(mask[s]), int(e - s))]
    ids, counts = np.unique(mask, return_counts=True)
    order = np.lexsort((ids, -counts))
    return {"areas": [[int(ids[i]), counts[i] / mask.size] for i in order],
            "mask": {"width": int(grid_w), "height": int(grid_h), "runs": runs}}


FAMILIES = [yunet, blazeface, fastestdet, nanodet, nanodet_plus, yolox, yolo_v5, yolo_heads, yolo_v8, yolo_v10, centernet, movenet, movenet_multi,
            posenet, classes, segments]
expected = {"detections": [], "classes": [], "areas": [], "mask": None}
expected.update({f.__name__: f for f in FAMILIES}[FAMILY]())
(FOLDER / "expected.json").write_text(json.dumps(expected))
