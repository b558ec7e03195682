#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A loop that copies nothing: inputs are written where the daemon reads them, results read where it wrote them.

    zero_copy.py local:/run/inferd/local.sock MODEL [COUNT]
"""
import statistics
import sys
import time

import inferd


def main() -> None:
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    count = int(sys.argv[3]) if len(sys.argv) == 4 else 200
    with inferd.Client(sys.argv[1]) as client, client.buffers(sys.argv[2]) as buffers:
        milliseconds = []
        for i in range(count):
            for array in buffers.inputs.values():
                array.fill(i % 100)  # a program would let its camera write here
            begin = time.monotonic()
            outputs = buffers.infer()
            milliseconds.append((time.monotonic() - begin) * 1e3)
    for name, array in outputs.items():
        print(f"output {name} {array.dtype}{list(array.shape)}")
    print(f"{count} runs, {statistics.median(milliseconds):.3f} ms each (median)")


if __name__ == "__main__":
    main()
