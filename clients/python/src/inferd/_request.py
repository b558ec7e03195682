# SPDX-License-Identifier: Apache-2.0
"""A request as every transport gets it: checked as far as that goes without knowing the model."""
from dataclasses import dataclass
from typing import Dict, Mapping, Optional

import numpy as np

from inferd import _types as t
from inferd._datatypes import datatype_of, wire_array
from inferd._errors import invalid


@dataclass(frozen=True)
class Request:
    model: str
    version: str  # empty: the newest
    inputs: Dict[str, np.ndarray]  # dense and little-endian
    outputs: Optional[Dict[str, int]]  # how many classes of each, 0: as it is; None: all outputs
    priority: int
    timeout: float  # seconds
    sequence: Optional[t.Sequence]

    @staticmethod
    def make(model: str, inputs: t.Arrays, version: str, outputs: t.Outputs, priority: int, timeout: float,
             sequence: Optional[t.Sequence]) -> "Request":
        arrays = {}
        for name, value in inputs.items():
            array = np.asarray(value)
            datatype_of(name, array)  # refuses what no model takes
            arrays[name] = wire_array(array)
        if isinstance(outputs, str):
            raise invalid(f"outputs is '{outputs}'; give a list of names")
        if not 0 <= priority < 1 << 31:
            raise invalid(f"priority is {priority}; 1 is the most urgent, 0 the model's default")
        wanted: Optional[Dict[str, int]] = None
        if isinstance(outputs, Mapping):
            wanted = dict(outputs)
        elif outputs is not None:
            wanted = dict.fromkeys(outputs, 0)
        return Request(model, str(version), arrays, wanted, priority, timeout, checked_sequence(sequence))


def checked_sequence(sequence: Optional[t.Sequence]) -> Optional[t.Sequence]:
    if sequence is None:
        return None
    if not isinstance(sequence, tuple) or not 1 <= len(sequence) <= 3:
        raise invalid(f"sequence is {sequence!r}; give (id, start, end)")
    made = t.Sequence(*sequence)
    if isinstance(made.id, bool) or not isinstance(made.id, (int, str)) or made.id in (0, ""):
        raise invalid(f"sequence id {made.id!r}: give a number above 0 or a text")
    if isinstance(made.id, int) and not 0 < made.id < 1 << 64:
        raise invalid(f"sequence id {made.id} does not fit into 64 bits")
    return made
