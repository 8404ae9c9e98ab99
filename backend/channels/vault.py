"""Secrets of channels at rest: encrypted with a key that lies in the data folder, made at its first use, for the
owner's eyes only (mode 0600). Every process that sends needs the same data folder."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

FILE = "channels.key"


class VaultClosed(RuntimeError):
    """The key is gone, readable by others, or not the one that a secret was encrypted with."""


class Vault:
    """Encrypts and decrypts small JSON objects (Fernet: AES-128-CBC with HMAC-SHA256)."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE

    def seal(self, secret: dict[str, Any]) -> str:
        """The encrypted form, as text."""
        from cryptography.fernet import Fernet

        return Fernet(self._key(make=True)).encrypt(json.dumps(secret).encode()).decode()

    def open(self, sealed: str) -> dict[str, Any]:
        """The secret; VaultClosed when this key did not seal it."""
        from cryptography.fernet import Fernet, InvalidToken

        try:
            found: dict[str, Any] = json.loads(Fernet(self._key(make=False)).decrypt(sealed.encode()))
        except InvalidToken as error:
            raise VaultClosed(f"{self.path.name} is not the key that this secret was encrypted with") from error
        return found

    def _key(self, *, make: bool) -> bytes:
        try:
            found = self.path.read_bytes().strip()
        except FileNotFoundError:
            if not make:
                raise VaultClosed(f"{self.path.name} is missing in the data folder: enter the secrets again") from None
            return self._make()
        if self.path.stat().st_mode & 0o077:
            raise VaultClosed(f"{self.path.name} can be read by others: make it mode 0600")
        return found

    def _make(self) -> bytes:
        """A new key, whole or not at all; of two processes that make one at once, both use the first."""
        from cryptography.fernet import Fernet

        self.path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self.path.with_name(f"{FILE}.{os.getpid()}")
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(Fernet.generate_key())
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(fresh, self.path)
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
        return self.path.read_bytes()
