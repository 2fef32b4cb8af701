"""An append-only record of requests, encrypted, that survives being cut off."""

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
    """Records of bytes in one file; its content includes secrets, hence the key."""

    path: Path
    key: bytes

    def append(self, record: bytes) -> None:
        """Add one record."""
        nonce = os.urandom(NONCE)
        sealed = nonce + AESGCM(self.key).encrypt(nonce, record, None)
        with self.path.open("ab") as file:
            file.write(LENGTH.pack(len(sealed)) + sealed)

    def read(self) -> Iterator[bytes]:
        """Every whole record; a last one that was cut off is dropped from the file."""
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
        """Whether the key fits; a journal sealed with another key is of no use."""
        try:
            next(self.read(), None)
        except InvalidTag:
            return False
        return True
