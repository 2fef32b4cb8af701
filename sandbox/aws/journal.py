"""An encrypted, append-only record of requests that tolerates a truncated last record."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

LENGTH = struct.Struct(">I")
NONCE = 12


@dataclass(frozen=True)
class Journal:
    """Byte records in one file, encrypted because they include secrets."""

    path: Path
    key: bytes

    def append(self, record: bytes) -> None:
        """Add one record."""
        nonce = os.urandom(NONCE)
        sealed = nonce + AESGCM(self.key).encrypt(nonce, record, None)
        with self.path.open("ab") as file:
            file.write(LENGTH.pack(len(sealed)) + sealed)

    def read(self) -> Iterator[bytes]:
        """Yield every complete record; a truncated last one is removed from the file."""
        if not self.path.exists():
            return
        whole = 0
        with self.path.open("rb") as file:
            while len(head := file.read(LENGTH.size)) == LENGTH.size:
                sealed = file.read(LENGTH.unpack(head)[0])
                if len(sealed) < LENGTH.unpack(head)[0]:
                    break
                whole = file.tell()
                yield AESGCM(self.key).decrypt(sealed[:NONCE], sealed[NONCE:], None)
        os.truncate(self.path, whole)

    def readable(self) -> bool:
        """Return whether the journal can be decrypted with this key."""
        try:
            next(self.read(), None)
        except InvalidTag:
            return False
        return True
