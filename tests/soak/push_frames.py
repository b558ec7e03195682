#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A program with a camera of its own, which pushes its pictures until it is killed.

    push_frames.py local:/run/inferd/local.sock SOURCE WIDTH HEIGHT
"""
import sys
import time

import inferd


def main():
    endpoint, source, width, height = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    with inferd.Client(endpoint) as client, client.pusher(source) as pusher:
        number = 0
        while True:
            picture = pusher.array((height, width, 3))
            picture[...] = number % 256
            pusher.push(picture)
            number += 1
            time.sleep(0.02)


if __name__ == "__main__":
    main()
