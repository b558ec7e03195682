# SPDX-License-Identifier: Apache-2.0
"""How a gRPC daemon is reached, and what a client shows it."""
import os
from dataclasses import dataclass
from typing import List, Optional, Tuple, Union

import grpc

from inferd._errors import Code, Error, invalid

TLS = "grpcs://"
Path = Union[str, "os.PathLike[str]"]

# Messages of any size, which the daemon limits; and not minutes, gRPC's default, until a daemon that was restarted is
# found again.
_OPTIONS = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1),
            ("grpc.initial_reconnect_backoff_ms", 100), ("grpc.min_reconnect_backoff_ms", 2000),
            ("grpc.max_reconnect_backoff_ms", 500)]
_THIS_MACHINE = ("unix:", "localhost:", "127.0.0.1:", "[::1]:")


@dataclass(frozen=True)
class Security:
    """Files in PEM, a token, and what the client calls itself; None: not given."""

    ca: Optional[Path] = None
    certificate: Optional[Path] = None
    key: Optional[Path] = None
    token: Optional[str] = None
    name: Optional[str] = None

    @property
    def metadata(self) -> Optional[List[Tuple[str, str]]]:
        """What every call says of its caller."""
        said = [] if self.token is None else [("authorization", f"Bearer {self.token}")]
        if self.name is not None:
            said.append(("inferd-client", self.name))
        return said or None

    @property
    def is_empty(self) -> bool:
        return self == Security()


def open_channel(endpoint: str, security: Security) -> grpc.Channel:
    """INVALID_ARGUMENT: what the endpoint cannot have. NOT_FOUND: a file cannot be read."""
    _check_token(endpoint, security.token)
    _check_word("the client's name", security.name)
    if endpoint.startswith(TLS):
        return grpc.secure_channel(endpoint[len(TLS):], _credentials(security), options=_OPTIONS)
    if (security.ca, security.certificate, security.key) != (None, None, None):
        raise invalid(f"certificates are for an endpoint grpcs://HOST:PORT, not for '{endpoint}'")
    return grpc.insecure_channel(endpoint, options=_OPTIONS)


def _check_word(what: str, text: Optional[str]) -> None:
    if text is not None and (not text or not all("!" <= c <= "~" for c in text)):
        raise invalid(f"{what} has characters other than printable ASCII without spaces, or none")


def _check_token(endpoint: str, token: Optional[str]) -> None:
    if token is None:
        return
    _check_word("the token", token)
    if not endpoint.startswith((TLS, *_THIS_MACHINE)):
        raise invalid(f"a token would be sent to '{endpoint}' for everybody to read; write grpcs://HOST:PORT")


def _credentials(security: Security) -> grpc.ChannelCredentials:
    if (security.certificate is None) != (security.key is None):
        raise invalid("a client's certificate needs its key, and the key its certificate")
    return grpc.ssl_channel_credentials(*map(_read, (security.ca, security.key, security.certificate)))


def _read(path: Optional[Path]) -> Optional[bytes]:
    if path is None:
        return None
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise Error(Code.NOT_FOUND, f"cannot read '{os.fspath(path)}': {error.strerror}") from None
