#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Many requests on their way at once, over one call; the daemon batches what it may.

    stream.py unix:/run/inferd/inferd.sock MODEL [COUNT]
"""
import sys
import time

import inferd
import numpy as np


def main() -> None:
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    model = sys.argv[2]
    count = int(sys.argv[3]) if len(sys.argv) == 4 else 200
    with inferd.Client(sys.argv[1]) as client:
        # Zeros; a program has its own.
        inputs = {i.name: np.zeros([max(d, 1) for d in i.shape], i.dtype) for i in client.model(model).inputs}
        begin = time.monotonic()
        with client.stream() as stream:
            futures = [stream.infer(model, inputs) for _ in range(count)]
            for future in futures:
                future.result()
        seconds = time.monotonic() - begin
    print(f"{count} answers in {seconds:.2f} s, {count / seconds:.0f} a second")


if __name__ == "__main__":
    main()
