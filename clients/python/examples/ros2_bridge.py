#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A node of ROS 2 (Humble or newer) that has a pipeline look at the pictures of a topic, and publishes what it finds as
vision_msgs/Detection2DArray with the stamp and frame_id of the picture:

    ros2_bridge.py local:/run/inferd/local.sock SOURCE PIPELINE --image /camera/image_raw --detections /detections

SOURCE is the name of the pipeline's source `push`. Without --image, detections of a pipeline with a camera of its own are
published, with the time of capture and --frame-id. Needs rclpy, sensor_msgs and vision_msgs, which come with ROS 2. Ends when
the daemon goes away: have it started again (respawn=True in a launch file).
"""
import argparse
import collections
import threading
import time

import inferd
import numpy as np

# What pushed pictures are called, and bytes of a pixel, by ROS's names of encodings.
ENCODINGS = {"rgb8": ("rgb", 3), "bgr8": ("bgr", 3), "mono8": ("grey", 1), "8UC1": ("grey", 1), "8UC3": ("bgr", 3),
             "yuv422_yuy2": ("yuyv", 2)}
KEPT_HEADERS = 64  # of pictures whose results have not come; those that were dropped have none


def pixels_of(image):
    """What is pushed of a sensor_msgs/Image, and how its pixels are. Rows may be longer than their pixels."""
    if image.encoding not in ENCODINGS:
        raise ValueError(f"pictures are encoded as '{image.encoding}'; known are {', '.join(ENCODINGS)}")
    pixels, size = ENCODINGS[image.encoding]
    rows = np.frombuffer(image.data, np.uint8)
    if image.step < image.width * size or rows.size < image.step * image.height:
        raise ValueError(f"a picture of {image.width} x {image.height} pixels has {rows.size} bytes in rows of {image.step}")
    rows = rows[:image.step * image.height].reshape(image.height, image.step)
    return rows[:, :image.width * size].reshape(image.height, image.width, size), pixels


def detections_of(frame, header, messages):
    """The vision_msgs/Detection2DArray of a result; boxes are in pixels. `messages`: the module vision_msgs.msg."""
    array = messages.Detection2DArray()
    array.header = header
    for found in frame.detections:
        detection = messages.Detection2D()
        detection.header = header
        detection.id = str(found.track_id) if found.track_id else ""
        detection.bbox.center.position.x = float((found.box.x_min + found.box.x_max) / 2 * frame.width)
        detection.bbox.center.position.y = float((found.box.y_min + found.box.y_max) / 2 * frame.height)
        detection.bbox.size_x = float((found.box.x_max - found.box.x_min) * frame.width)
        detection.bbox.size_y = float((found.box.y_max - found.box.y_min) * frame.height)
        result = messages.ObjectHypothesisWithPose()
        result.hypothesis.class_id = found.label or str(found.class_id)
        result.hypothesis.score = float(found.score)
        detection.results.append(result)
        array.detections.append(detection)
    return array


class Headers:
    """Of pictures on their way, by their time of capture. Any thread."""

    def __init__(self):
        self._headers = collections.OrderedDict()
        self._lock = threading.Lock()

    def add(self, capture_ns, header):
        with self._lock:
            self._headers[capture_ns] = header
            while len(self._headers) > KEPT_HEADERS:
                self._headers.popitem(last=False)

    def take(self, capture_ns):
        """None: somebody else's picture, or one that is long gone."""
        with self._lock:
            return self._headers.pop(capture_ns, None)


def run(arguments):
    import rclpy
    import sensor_msgs.msg
    import std_msgs.msg
    import vision_msgs.msg
    from rclpy.duration import Duration
    from rclpy.qos import qos_profile_sensor_data

    rclpy.init()
    node = rclpy.create_node("inferd_bridge")
    publisher = node.create_publisher(vision_msgs.msg.Detection2DArray, arguments.detections, qos_profile_sensor_data)
    headers = Headers()

    def header_of(frame):
        if arguments.image:
            return headers.take(frame.capture_ns)
        header = std_msgs.msg.Header(frame_id=arguments.frame_id)
        # The board's monotonic clock is not ROS's.
        age_ns = time.monotonic_ns() - frame.capture_ns
        header.stamp = (node.get_clock().now() - Duration(nanoseconds=age_ns)).to_msg()
        return header

    def publish():
        try:
            with inferd.Client(arguments.endpoint) as client:
                for frame in client.watch(arguments.pipeline):
                    header = header_of(frame)
                    if header is not None:
                        publisher.publish(detections_of(frame, header, vision_msgs.msg))
        except inferd.Error as error:
            node.get_logger().error(str(error))
        rclpy.shutdown()

    threading.Thread(target=publish, daemon=True).start()
    if not arguments.image:
        rclpy.spin(node)
        return
    with inferd.Client(arguments.endpoint) as client, client.pusher(arguments.source) as pusher:
        def push(image):
            try:
                picture, pixels = pixels_of(image)
                capture_ns = time.monotonic_ns()
                headers.add(capture_ns, image.header)
                pusher.push(picture, pixels, capture_ns=capture_ns)
            except ValueError as error:
                node.get_logger().error(str(error), throttle_duration_sec=10)

        node.create_subscription(sensor_msgs.msg.Image, arguments.image, push, qos_profile_sensor_data)
        rclpy.spin(node)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("endpoint")
    parser.add_argument("source")
    parser.add_argument("pipeline")
    parser.add_argument("--image", help="topic of sensor_msgs/Image whose pictures are pushed")
    parser.add_argument("--detections", default="/detections", help="topic that is published (%(default)s)")
    parser.add_argument("--frame-id", default="camera", help="of detections without --image (%(default)s)")
    run(parser.parse_args())


if __name__ == "__main__":
    main()
