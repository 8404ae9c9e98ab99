"""Argon2 passwords, with a bound on how many are computed at once (each takes 64 MiB and some 50 ms)."""

from __future__ import annotations

import threading

from pwdlib import PasswordHash
from pwdlib.exceptions import UnknownHashError
from pwdlib.hashers.argon2 import Argon2Hasher

from backend.errors import Invalid, Unavailable

MIN_LENGTH = 10
MAX_LENGTH = 200
_AT_ONCE = 2
_WAIT_S = 10.0


class Passwords:
    """Hashes and checks passwords. A check for a person who does not exist takes as long as a real one."""

    def __init__(self) -> None:
        self._hasher = PasswordHash((Argon2Hasher(),))
        self._slots = threading.BoundedSemaphore(_AT_ONCE)
        self._dummy: str | None = None

    def hash(self, password: str) -> str:
        with _Slot(self._slots):
            return self._hasher.hash(password)

    def verify(self, password: str, password_hash: str | None) -> bool:
        """Whether the password fits; with no hash the same work is done and the answer is no."""
        with _Slot(self._slots):
            if self._dummy is None:
                self._dummy = self._hasher.hash("nobody has this password")
            try:
                fits = self._hasher.verify(password, password_hash or self._dummy)
            except UnknownHashError:
                return False
            return fits and password_hash is not None


class _Slot:
    def __init__(self, slots: threading.BoundedSemaphore) -> None:
        self._slots = slots

    def __enter__(self) -> None:
        if not self._slots.acquire(timeout=_WAIT_S):
            raise Unavailable("too many sign-ins at once; try again shortly", retry_after_s=5)

    def __exit__(self, *_: object) -> None:
        self._slots.release()


def check_new_password(password: str, email: str, name: str = "") -> None:
    """Raise Invalid when a new password is too short, too long, or the person's own name or address."""
    if not MIN_LENGTH <= len(password) <= MAX_LENGTH:
        raise Invalid(f"a password has {MIN_LENGTH} to {MAX_LENGTH} characters", code="weak_password")
    plain = password.casefold()
    if plain in {email.casefold(), email.split("@")[0].casefold(), name.casefold()} or len(set(plain)) < 4:
        raise Invalid("this password is too easy to guess", code="weak_password")
