"""Where finished reports go when they are to be sent: the part that owns channels connects itself here once, at the
start of the worker. Until it does, reports stay here to be read and say so."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session


@dataclass(frozen=True, slots=True)
class FinishedReport:
    """What a channel needs to know; the files are read with db.repositories.reports.get_file."""

    report_id: str
    channel_id: str
    model: str
    verdict: str
    languages: Sequence[str]
    window_start: datetime
    window_end: datetime


#: Puts the message into an outbox of its own, in the given transaction; the sending happens later.
Put = Callable[[Session, FinishedReport], None]
_put: list[Put] = []


def connect(put: Put | None) -> None:
    """Hand finished reports to this from now on; None takes the connection away."""
    _put[:] = [put] if put is not None else []


def hand_over(session: Session, finished: FinishedReport) -> str:
    """What became of it: handed_over, or no_outbox. Called in the transaction that ends the report's job, so a report
    is handed over exactly once or not at all."""
    if not _put:
        return "no_outbox"
    _put[0](session, finished)
    return "handed_over"
