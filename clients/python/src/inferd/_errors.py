# SPDX-License-Identifier: Apache-2.0
"""What goes wrong, numbered as gRPC's status codes by every transport."""
import enum


class Code(enum.IntEnum):
    """What kind of error; the same as in gRPC."""

    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


class Error(Exception):
    """A call that failed. `code` says of which kind, `message` what to do about it.

    UNAVAILABLE: nobody answers at the endpoint, or the daemon is going; worth another try. RESOURCE_EXHAUSTED: the
    model's queue is full; try later. DEADLINE_EXCEEDED: the timeout passed, or could not be kept.
    """

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return f"{self.code.name}: {self.message}"


def code_of(number: int) -> Code:
    """The code with this number; UNKNOWN for numbers that are none."""
    try:
        return Code(number)
    except ValueError:
        return Code.UNKNOWN


def invalid(message: str) -> Error:
    return Error(Code.INVALID_ARGUMENT, message)
