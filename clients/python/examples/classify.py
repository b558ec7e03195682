#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The most likely classes of a picture.

    classify.py unix:/run/inferd/inferd.sock MODEL PICTURE

For models that take 8-bit pictures, as quantized classifiers do. Float models want pixels between their own bounds:
say which with --mean and --std.
"""
import argparse

import inferd
import numpy as np

import picture


def as_input(tensor: inferd.Tensor, pixels: np.ndarray, mean: float, std: float) -> np.ndarray:
    """The picture as `tensor` takes it."""
    shape = [1 if d < 0 else d for d in tensor.shape]
    if len(shape) != 4 or shape[3] != 3:
        raise SystemExit(f"input '{tensor.name}' has the shape {shape}; this example knows [1, height, width, 3]")
    pixels = picture.resized(pixels, shape[1], shape[2])[None]
    if tensor.dtype == np.uint8:
        return pixels
    if tensor.dtype == np.int8:
        return (pixels.astype(np.int16) - 128).astype(np.int8)
    return ((pixels - mean) / std).astype(tensor.dtype)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("endpoint")
    parser.add_argument("model")
    parser.add_argument("picture")
    parser.add_argument("--mean", type=float, default=127.5)
    parser.add_argument("--std", type=float, default=127.5)
    parser.add_argument("--top", type=int, default=5)
    args = parser.parse_args()
    with inferd.Client(args.endpoint) as client:
        tensor = client.model(args.model).inputs[0]
        array = as_input(tensor, picture.read(args.picture), args.mean, args.std)
        for found in client.classify(args.model, {tensor.name: array}, args.top)[0]:
            print(f"{found.score:10g}  {found.index:5d}  {found.label}")


if __name__ == "__main__":
    main()
