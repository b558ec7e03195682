#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Prints what a pipeline of the daemon finds, as it finds it.

    watch.py unix:/run/inferd/inferd.sock PIPELINE
"""
import sys

import inferd


def main() -> None:
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    with inferd.Client(sys.argv[1]) as client:
        try:
            for frame in client.watch(sys.argv[2]):
                latency_ms = (frame.result_ns - frame.capture_ns) * 1e-6
                found = ", ".join(f"{d.label or d.class_id} {d.score:.2f}" for d in frame.detections)
                print(f"frame {frame.sequence}  {latency_ms:.1f} ms  {frame.name}  {found}", flush=True)
        except KeyboardInterrupt:
            pass


if __name__ == "__main__":
    main()
