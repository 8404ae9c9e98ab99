"""What waits for the committing thread: checked events of one request, and what they are answered with."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from db.eventlog.ids import Hashes
from db.eventlog.schema import ModelSpec
from db.eventlog.validate import Row

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class AppendResult:
    """What became of appended rows: how many are new, and the row numbers of repeats and of conflicting repeats."""

    n_new: int
    duplicates: list[int] = field(default_factory=list)
    conflicts: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Part:
    """Checked events of one model: either `rows` (few) or a stored `batch` with its encoded `message`.

    `is_made` marks ids that this process made (they cannot repeat); `is_now` marks events without a time of their
    own, whose time does not take part when a repeat is compared with the first.
    """

    spec: ModelSpec
    rows: list[Row] | None = None
    batch: pa.RecordBatch | None = None
    message: bytes | None = None
    hashes: Hashes | None = None
    is_made: Mask | bool = False
    is_now: Mask | bool = False

    @property
    def n(self) -> int:
        if self.rows is not None:
            return len(self.rows)
        return self.batch.num_rows if self.batch is not None else 0


Answer = tuple[int, str]


@dataclass(slots=True)
class KeyedAnswer:
    """The Idempotency-Key of a request, and how to write its answer once the results are known."""

    key: str
    request_hash: str
    write: Callable[[list[AppendResult]], Answer]


@dataclass(slots=True)
class Outcome:
    """The results per part; `replay` is set instead when the same key was answered before."""

    results: list[AppendResult]
    replay: Answer | None = None


@dataclass(slots=True)
class Pending:
    """One request on its way to the disk."""

    parts: list[Part]
    quarantine: list[dict[str, Any]] = field(default_factory=list)
    counts: dict[tuple[str, str], int] = field(default_factory=dict)
    notices: dict[str, dict[tuple[str, str], tuple[int, dict[str, Any]]]] = field(default_factory=dict)
    keyed: KeyedAnswer | None = None
    n_bytes: int = 0
    #: Set when a thread waits.
    future: Future[Outcome] | None = None
    #: Set when a coroutine waits; woken once per commit and loop, not once per request.
    waiter: asyncio.Future[Outcome] | None = None
    #: The coroutine was answered already: what is not in a transaction yet must not be stored.
    is_given_up: bool = False

    def begin(self) -> bool:
        """Whether somebody still wants this stored; from now on it cannot be taken back."""
        return not self.is_given_up and (self.future is None or self.future.set_running_or_notify_cancel())

    @property
    def n(self) -> int:
        return sum(part.n for part in self.parts)
