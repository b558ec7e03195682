# SPDX-License-Identifier: Apache-2.0
"""Pictures as arrays for the examples: with Pillow where it is installed, else PPM and uncompressed BMP."""
import re

import numpy as np

try:
    from PIL import Image
except ImportError:
    Image = None


def read(path: str) -> np.ndarray:
    """uint8[height, width, 3], red first."""
    if Image is not None:
        return np.asarray(Image.open(path).convert("RGB"))
    with open(path, "rb") as file:
        data = file.read()
    if data[:2] == b"P6":
        return _ppm(data)
    if data[:2] == b"BM":
        return _bmp(data)
    raise SystemExit(f"{path}: without Pillow (Debian: python3-pil) only .ppm and .bmp can be read")


def resized(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    """Bilinear, the pixels' centres in their places."""
    y, y_part = _positions(picture.shape[0], height)
    x, x_part = _positions(picture.shape[1], width)
    rows = picture[y].astype(np.float32) * (1 - y_part)[:, None, None]
    rows += picture[np.minimum(y + 1, picture.shape[0] - 1)] * y_part[:, None, None]
    columns = rows[:, x] * (1 - x_part)[:, None]
    columns += rows[:, np.minimum(x + 1, picture.shape[1] - 1)] * x_part[:, None]
    return np.rint(columns).astype(np.uint8)


def _positions(source: int, target: int) -> tuple:
    """For each pixel of the target: the first of the two it lies between, and how far behind that."""
    at = np.clip((np.arange(target) + 0.5) * source / target - 0.5, 0, source - 1)
    first = np.floor(at).astype(np.int64)
    return first, (at - first).astype(np.float32)


def _ppm(data: bytes) -> np.ndarray:
    head = re.match(rb"P6\s+(\d+)\s+(\d+)\s+255\s", data)
    if head is None:
        raise SystemExit("only PPM files with 8 bits and without comments can be read")
    width, height = int(head[1]), int(head[2])
    return np.frombuffer(data, np.uint8, height * width * 3, head.end()).reshape(height, width, 3)


def _bmp(data: bytes) -> np.ndarray:
    offset = int.from_bytes(data[10:14], "little")
    width, height = (int.from_bytes(data[i:i + 4], "little", signed=True) for i in (18, 22))
    bits, compression = int.from_bytes(data[28:30], "little"), int.from_bytes(data[30:34], "little")
    if bits not in (24, 32) or compression != 0:
        raise SystemExit("only uncompressed BMP files with 24 or 32 bits can be read")
    pitch = (width * bits // 8 + 3) // 4 * 4
    lines = np.frombuffer(data, np.uint8, pitch * abs(height), offset).reshape(abs(height), pitch)
    picture = lines[:, :width * bits // 8].reshape(abs(height), width, bits // 8)[:, :, 2::-1]
    return picture[::-1] if height > 0 else picture  # from bottom to top, unless the height is negative
