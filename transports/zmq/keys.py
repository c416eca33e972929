"""CURVE keys: who a process is, and whom a host lets in.

A key pair is a public key, which others may know, and a secret one. A host shows its own and lets in the public keys
that it was given; who connects knows the host's public key beforehand, so neither can be impersonated and nothing can
be read on the way.
"""

import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import zmq
from zmq.utils import z85

from sage.transports.errors import InvalidChannel

__all__ = ["CurveClient", "CurveServer", "KeyPair", "check_key"]

#: Where a process finds its key pair, if its descriptors were given none.
KEYS_VARIABLE = "SAGE_CURVE_KEYS"


def check_key(key: str, what: str) -> str:
    """Return `key` if it is one: 40 characters of Z85.

    Raises:
        InvalidChannel: it is not; `what` says what it was to be.
    """
    try:
        if isinstance(key, str) and len(key) == 40 and len(z85.decode(key)) == 32:
            return key
    except (ValueError, KeyError):
        pass
    raise InvalidChannel(f"{what} is not a CURVE key of 40 characters (Z85); KeyPair.generate() makes a pair")


@dataclass(frozen=True)
class KeyPair:
    """A public key and, unless it is someone else's, the secret one that belongs to it. Both are text, 40 characters.

    Raises:
        InvalidChannel: a key is not one, or the two do not belong together.
    """

    public: str
    secret: str = field(repr=False)

    def __post_init__(self) -> None:
        check_key(self.public, "the public key")
        check_key(self.secret, "the secret key")
        if zmq.curve_public(self.secret.encode()).decode() != self.public:
            raise InvalidChannel("the public key does not belong to the secret one; KeyPair.generate() makes a pair")

    @classmethod
    def generate(cls) -> Self:
        """A new pair."""
        public, secret = zmq.curve_keypair()
        return cls(public.decode(), secret.decode())

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write both keys to a file of the ZeroMQ certificate format, which only its owner may read.

        Raises:
            FileExistsError: it is there already; keys are not overwritten.
        """
        text = (
            "#   ZeroMQ CURVE **Secret** Certificate\n#   DO NOT PROVIDE THIS FILE TO OTHER USERS\n\nmetadata\n"
            f'curve\n    public-key = "{self.public}"\n    secret-key = "{self.secret}"\n'
        )
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read what `save`, or `zmq.auth.create_certificates`, wrote.

        Raises:
            InvalidChannel: the file cannot be read, holds no pair, or others may read it.
        """
        try:
            if stat.S_IMODE(os.stat(path).st_mode) & 0o077:
                raise InvalidChannel(f"{path}: others may read these keys; chmod 600 {path}")
            found = _certificate(Path(path).read_text())
        except OSError as error:
            raise InvalidChannel(f"the keys cannot be read: {error}") from error
        if not {"public-key", "secret-key"} <= found.keys():
            raise InvalidChannel(f"{path}: it holds no public-key and secret-key; KeyPair.generate().save(path) does")
        return cls(found["public-key"], found["secret-key"])

    @classmethod
    def of_this_process(cls) -> Self | None:
        """The pair in the file that the environment variable `SAGE_CURVE_KEYS` names, if it names one.

        Raises:
            InvalidChannel: as in `load`.
        """
        path = os.environ.get(KEYS_VARIABLE)
        return cls.load(path) if path else None


def _certificate(text: str) -> dict[str, str]:
    lines = (line.partition("=") for line in text.splitlines() if not line.lstrip().startswith("#"))
    return {name.strip(): value.strip().strip("\"'") for name, equals, value in lines if equals}


@dataclass(frozen=True)
class CurveServer:
    """How a socket that binds proves who it is, and whom it lets in.

    Args:
        keys: its own pair.
        clients: the public keys of those who may connect; `None` lets in everyone who knows the server's public key.
    """

    keys: KeyPair
    clients: frozenset[str] | None

    @classmethod
    def allowing(cls, keys: KeyPair, clients: Iterable[str]) -> Self:
        """One that lets in `clients` only.

        Raises:
            InvalidChannel: one of them is not a public key.
        """
        return cls(keys, frozenset(check_key(key, f"{key!r} among the clients") for key in clients))


@dataclass(frozen=True)
class CurveClient:
    """How a socket that connects proves who it is, and which server it expects.

    Args:
        keys: its own pair.
        server: the public key of the server.
    """

    keys: KeyPair
    server: str
