#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What the bridge to ROS 2 makes of pictures and detections, with stand-ins for the messages that have their fields and no
others. The node itself needs ROS 2."""
import argparse
import pathlib
import sys
import types
import unittest

try:
    import inferd
    import numpy
except ImportError as error:
    print(f"SKIPPED: {error}; install python3-grpcio, python3-numpy and python3-setuptools, and build inferd-python")
    sys.exit(77)


def message(**fields):
    """A class with these fields, each made by its function, that refuses others."""
    def init(self):
        for name, make in fields.items():
            setattr(self, name, make())
    return type("Message", (), {"__slots__": tuple(fields), "__init__": init})


Point = message(x=float, y=float)
Pose2D = message(position=Point, theta=float)
VISION = types.SimpleNamespace(
    Detection2DArray=message(header=object, detections=list),
    Detection2D=message(header=object, results=list, bbox=message(center=Pose2D, size_x=float, size_y=float), id=str),
    ObjectHypothesisWithPose=message(hypothesis=message(class_id=str, score=float), pose=object))


def image(width, height, encoding, step, data):
    return types.SimpleNamespace(width=width, height=height, encoding=encoding, step=step, data=data)


class BridgeTest(unittest.TestCase):
    def test_boxes_are_in_pixels_around_their_centre(self):
        found = inferd.Detection(inferd.Box(0.25, 0.5, 0.75, 1.0), 0.5, 3, "cat", (), track_id=9)
        nameless = inferd.Detection(inferd.Box(0, 0, 0.5, 0.5), 0.25, 7, "", ())
        frame = types.SimpleNamespace(width=640, height=480, detections=(found, nameless))
        array = bridge.detections_of(frame, "the header", VISION)
        self.assertEqual(array.header, "the header")
        first, second = array.detections
        box = first.bbox
        self.assertEqual((box.center.position.x, box.center.position.y, box.size_x, box.size_y), (320, 360, 320, 240))
        self.assertEqual((first.id, first.header), ("9", "the header"))
        self.assertEqual([(r.hypothesis.class_id, r.hypothesis.score) for r in first.results], [("cat", 0.5)])
        self.assertEqual((second.id, second.results[0].hypothesis.class_id), ("", "7"))

    def test_rows_may_be_longer_than_their_pixels(self):
        rows = numpy.arange(2 * 8, dtype=numpy.uint8).reshape(2, 8)
        pixels, name = bridge.pixels_of(image(2, 2, "bgr8", 8, rows.tobytes()))
        self.assertEqual((name, pixels.tolist()), ("bgr", [[[0, 1, 2], [3, 4, 5]], [[8, 9, 10], [11, 12, 13]]]))
        self.assertEqual(bridge.pixels_of(image(4, 1, "mono8", 4, bytes(4)))[0].shape, (1, 4, 1))

    def test_pictures_that_are_none_are_refused(self):
        with self.assertRaisesRegex(ValueError, "32FC1"):
            bridge.pixels_of(image(2, 2, "32FC1", 8, bytes(16)))
        for step, size in ((5, 100), (6, 11), (8, 15)):
            with self.assertRaisesRegex(ValueError, "2 x 2 pixels"):
                bridge.pixels_of(image(2, 2, "rgb8", step, bytes(size)))

    def test_headers_wait_for_their_results_and_not_for_ever(self):
        headers = bridge.Headers()
        for i in range(bridge.KEPT_HEADERS + 1):
            headers.add(i, f"header {i}")
        self.assertIsNone(headers.take(0))
        self.assertEqual(headers.take(1), "header 1")
        self.assertIsNone(headers.take(1))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--examples", type=pathlib.Path, required=True)
    ARGS, rest = parser.parse_known_args()
    sys.path.insert(0, str(ARGS.examples))
    import ros2_bridge as bridge
    unittest.main(argv=[sys.argv[0]] + rest)
