#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Tells an autopilot where the landing pad is that a pipeline sees, and once a second, while it sees at all, that the board is
there: MAVLink 2 over UDP, the messages LANDING_TARGET (149) and HEARTBEAT (0) of https://mavlink.io/en/messages/common.html.

    landing_target.py local:/run/inferd/local.sock landing_pad 127.0.0.1:14550 --fov 62.2 --pad 0.6

The camera looks down along the vehicle, the picture's upper edge forward. Angles are those of the pad's centre; the distance is
what the pad's width says, where that is known. Times are the board's CLOCK_MONOTONIC. Nothing here was flown.
"""
import argparse
import math
import socket
import struct
import time

import inferd

HEARTBEAT, LANDING_TARGET = 0, 149
CRC_EXTRA = {HEARTBEAT: 50, LANDING_TARGET: 200}  # of the messages' definitions
ONBOARD_COMPUTER = 191  # MAV_COMP_ID_ONBOARD_COMPUTER
ONBOARD_CONTROLLER, NO_AUTOPILOT, ACTIVE, VERSION = 18, 8, 4, 3
BODY_FRD, VISION_OTHER = 12, 3


def checksum(data: bytes) -> int:
    """CRC-16/MCRF4XX, which MAVLink calls X.25."""
    crc = 0xFFFF
    for byte in data:
        mixed = byte ^ (crc & 0xFF)
        mixed = (mixed ^ (mixed << 4)) & 0xFF
        crc = (crc >> 8) ^ (mixed << 8) ^ (mixed << 3) ^ (mixed >> 4)
    return crc & 0xFFFF


class Sender:
    """Frames messages, and sends each as a datagram."""

    def __init__(self, address, system):
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._address, self._system, self._sequence = address, system, 0

    def send(self, message: int, payload: bytes) -> None:
        payload = payload.rstrip(b"\0") or b"\0"  # zeros at the end are not sent
        header = struct.pack("<BBBBBB", len(payload), 0, 0, self._sequence, self._system, ONBOARD_COMPUTER)
        body = header + message.to_bytes(3, "little") + payload
        crc = checksum(body + bytes([CRC_EXTRA[message]]))
        self._socket.sendto(b"\xfd" + body + struct.pack("<H", crc), self._address)
        self._sequence = (self._sequence + 1) % 256


def heartbeat() -> bytes:
    return struct.pack("<IBBBBB", 0, ONBOARD_CONTROLLER, NO_AUTOPILOT, 0, ACTIVE, VERSION)


def landing_target(frame, box, focal: float, pad: float) -> bytes:
    """`focal`: the focal length in widths of the picture. `pad`: its width in metres; 0: not known."""
    height = frame.height / frame.width  # as all here, in widths
    across, along = box.x_max - box.x_min, (box.y_max - box.y_min) * height
    right = (box.x_min + box.x_max) / 2 - 0.5
    back = ((box.y_min + box.y_max) / 2 - 0.5) * height
    distance = pad * focal / across if across > 0 else 0
    return struct.pack("<QfffffBB3f4fBB", frame.capture_ns // 1000, math.atan2(right, focal), math.atan2(back, focal), distance,
                       2 * math.atan2(across / 2, focal), 2 * math.atan2(along / 2, focal), 0, BODY_FRD,
                       0, 0, 0, 0, 0, 0, 0, VISION_OTHER, 0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("endpoint")
    parser.add_argument("pipeline")
    parser.add_argument("to", help="HOST:PORT of the autopilot or its router")
    parser.add_argument("--fov", type=float, default=62.2, help="how wide the camera sees, in degrees (%(default)s)")
    parser.add_argument("--pad", type=float, default=0, help="how wide the pad is, in metres")
    parser.add_argument("--label", help="of the pad; without, any detection is one")
    parser.add_argument("--system", type=int, default=1, help="MAVLink id of the vehicle (%(default)s)")
    arguments = parser.parse_args()
    host, port = arguments.to.rsplit(":", 1)
    sender = Sender((host, int(port)), arguments.system)
    focal = 0.5 / math.tan(math.radians(arguments.fov) / 2)
    told = -math.inf
    while True:
        try:
            with inferd.Client(arguments.endpoint) as client:
                for frame in client.watch(arguments.pipeline):
                    if time.monotonic() - told >= 1:
                        told = time.monotonic()
                        sender.send(HEARTBEAT, heartbeat())
                    pads = [d for d in frame.detections if arguments.label in (None, d.label)]
                    if pads:
                        best = max(pads, key=lambda d: d.score)
                        sender.send(LANDING_TARGET, landing_target(frame, best.box, focal, arguments.pad))
        except inferd.Error as error:
            print(f"{error}; trying again", flush=True)
            time.sleep(1)


if __name__ == "__main__":
    main()
