"""What can be wrong with a row or a body at the door. The HTTP layer turns `status` and `code` into answers."""

from __future__ import annotations

from dataclasses import dataclass


class RowProblem(Exception):
    """One event that cannot be stored, with a JSON pointer to what is wrong in it."""

    def __init__(self, code: str, message: str, pointer: str = "", *, status: int = 422) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.pointer = pointer
        self.status = status


class BodyProblem(Exception):
    """A whole body that cannot be read."""

    def __init__(self, code: str, message: str, *, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status


class LogUnavailable(RuntimeError):
    """The log cannot store now: the database does not answer in time, or too much waits already."""

    def __init__(self, message: str, *, retry_after_s: float = 2.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class UnknownModel(LookupError):
    """No model has this name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"no model is called {name!r}")
        self.name = name


class KeyReused(ValueError):
    """An Idempotency-Key came again with another body."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A row that was refused: its place in the request, the answer's status and the reason."""

    index: int
    status: int
    code: str
    pointer: str
    message: str
    raw: str = ""
