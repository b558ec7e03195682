#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Pushes pictures to a pipeline whose source is `push` and waits for its result of each: the loop of a program that has
the camera itself.

    push.py local:/run/inferd/local.sock SOURCE PIPELINE WIDTH HEIGHT
"""
import statistics
import sys
import time

import inferd

FRAMES = 10


def main() -> None:
    if len(sys.argv) != 6:
        sys.exit(__doc__)
    source, pipeline, width, height = sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5])
    milliseconds = []
    with inferd.Client(sys.argv[1]) as client, client.pusher(source) as pusher:
        results = client.watch(pipeline, timeout=30)
        for i in range(FRAMES):
            picture = pusher.array((height, width, 3))
            picture[...] = i  # a program would let its camera write here
            captured = time.monotonic_ns()
            pusher.push(picture, capture_ns=captured)
            while next(results).capture_ns != captured:
                pass  # somebody else's
            milliseconds.append((time.monotonic_ns() - captured) * 1e-6)
        results.close()
    print(f"{FRAMES} frames, {statistics.median(milliseconds):.1f} ms each from capture to result (median)")


if __name__ == "__main__":
    main()
