# SPDX-License-Identifier: Apache-2.0
"""The Open Inference Protocol's names of types, numpy's, and the local socket's numbers."""
import struct

import numpy as np

from inferd._errors import Code, Error, invalid

# In the order of the local socket's numbers. Bytes are little-endian on the wire.
NUMPY_TYPES = {"FP32": "<f4", "FP16": "<f2", "FP64": "<f8", "INT8": "i1", "UINT8": "u1", "INT16": "<i2",
               "UINT16": "<u2", "INT32": "<i4", "UINT32": "<u4", "INT64": "<i8", "UINT64": "<u8", "BOOL": "?"}
LOCAL_TYPES = tuple(NUMPY_TYPES)
_DTYPES = {name: np.dtype(numpy_type) for name, numpy_type in NUMPY_TYPES.items()}
_NAMES = {dtype: name for name, dtype in _DTYPES.items()}


def dtype_of(datatype: str) -> np.dtype:
    try:
        return _DTYPES[datatype]
    except KeyError:
        raise Error(Code.UNIMPLEMENTED, f"numpy has no type for '{datatype}'") from None


def datatype_of(name: str, array: np.ndarray) -> str:
    """The protocol's name of an input's type."""
    try:
        return _NAMES[array.dtype.newbyteorder("<")]
    except KeyError:
        raise invalid(f"input '{name}' is an array of {array.dtype}; models take {', '.join(NUMPY_TYPES)}") from None


def wire_array(array: np.ndarray) -> np.ndarray:
    """The same numbers as they travel: dense, row by row, little-endian; copies only where that is needed."""
    # ascontiguousarray would turn a scalar into a vector.
    return np.require(array, dtype=array.dtype.newbyteorder("<"), requirements="C")


def array_of(datatype: str, shape: tuple, data: bytes, name: str) -> np.ndarray:
    """An output; read-only, it lies in `data`. BYTES become an array of objects."""
    if datatype == "BYTES":
        return _byte_strings(data, name).reshape(shape)
    try:
        return np.frombuffer(data, dtype_of(datatype)).reshape(shape)
    except ValueError as error:
        raise Error(Code.DATA_LOSS, f"output '{name}' of shape {list(shape)} has {len(data)} bytes: {error}") from None


def _byte_strings(data: bytes, name: str) -> np.ndarray:
    """Each element is its length (4 bytes) and its bytes."""
    elements = []
    at = 0
    while at + 4 <= len(data):
        length, = struct.unpack_from("<I", data, at)
        elements.append(data[at + 4:at + 4 + length])
        at += 4 + length
    if at != len(data):
        raise Error(Code.DATA_LOSS, f"output '{name}' is cut within an element")
    array = np.empty(len(elements), dtype=object)
    array[:] = elements
    return array
