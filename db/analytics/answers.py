"""The versions' answers about subjects that somebody judged, found once in the event log and kept up to date.

Few subjects are ever judged, so their answers fit in memory, while looking them up scans the log. A second request
scans only for subjects that were not looked up yet, and for events logged since.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from db.analytics.known import Knowledge
from db.analytics.opinions import Opinions
from db.eventlog.filters import quote
from db.repositories.comparisons import log_state

if TYPE_CHECKING:
    from db.eventlog.log import EventLog

#: Events become readable at most this long after the `logged_at` they carry (a door request ends long before).
_LAG = timedelta(seconds=120)
#: Above this many answers of one model nothing is kept: about 300 bytes an answer.
_MAX_KEPT = 300_000

COLUMNS = ("event_id", "subject_id", "request_id", "version", "role", "happened_at", "logged_at")
_ALL_TIME = (datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC))


@dataclass
class _Known:
    """What was found for one model. `range` is the time range that was looked through for all of `subjects`."""

    columns: tuple[str, ...] = ()
    subjects: set[str] = field(default_factory=set)
    range: tuple[datetime, datetime] | None = None
    looked_at: datetime = _ALL_TIME[0]
    log_state: tuple[int, int] = (-1, -1)
    answers: pa.Table | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)


class JudgedAnswers:
    """Answers by subject, per model, cached in this process; always as fresh as a scan of the log would be."""

    def __init__(self, eventlog: EventLog) -> None:
        self._eventlog = eventlog
        self.opinions = Opinions(eventlog.database)
        self.knowledge = Knowledge(eventlog.database)
        self._known: dict[str, _Known] = {}
        self._lock = threading.Lock()

    def find(self, model: Any, subjects: Iterable[str], start: datetime, end: datetime) -> pa.Table:
        """All successful answers about these subjects that happened in [start, end).

        Columns: COLUMNS, label ('' where the model gave no answer), score, artifact, and `seg_<key>` per segment key.
        """
        wanted = set(subjects)
        segments = tuple(model.segment_keys or ())
        if not wanted:
            return empty_answers(segments)
        with self._lock:
            known = self._known.setdefault(model.id, _Known())
        with known.lock:
            if known.columns != segments:
                _forget(known, segments)
            self._refresh(model.id, known, wanted, start, end)
            found = known.answers if known.answers is not None else empty_answers(segments)
            if found.num_rows > _MAX_KEPT:
                _forget(known, segments)
        return _choose(found, wanted, start, end)

    def _refresh(self, model_id: str, known: _Known, wanted: set[str], start: datetime, end: datetime) -> None:
        now = datetime.now(UTC)
        with self._eventlog.database.read() as session:
            state = log_state(session, model_id)
        parts = [known.answers] if known.answers is not None else []
        fresh = wanted - known.subjects
        low, high = (start, end) if known.range is None else (min(start, known.range[0]), max(end, known.range[1]))
        if known.range is not None and known.subjects:
            first, last = known.range
            for gap_start, gap_end in ((low, first), (last, high)):
                if gap_start < gap_end:
                    parts.append(self._scan(model_id, known, known.subjects, gap_start, gap_end, None))
            if state != known.log_state:
                parts.append(self._scan(model_id, known, known.subjects, first, last, known.looked_at - _LAG))
        if fresh:
            parts.append(self._scan(model_id, known, fresh, low, high, None))
        if len(parts) > 1 or known.answers is None:
            known.answers = _distinct(pa.concat_tables(parts)) if parts else None
        known.subjects |= fresh
        known.range = (low, high)
        known.looked_at, known.log_state = now, state

    def _scan(
        self, model_id: str, known: _Known, subjects: set[str], start: datetime, end: datetime, since: datetime | None
    ) -> pa.Table:
        segments = "".join(", " + quote("seg_" + key) for key in known.columns)
        chosen = "" if since is None else "AND logged_at >= $since"
        with self._eventlog.connect(model_id, start, end) as connection:
            connection.register("judged_subjects", pa.table({"subject_id": pa.array(sorted(subjects), pa.string())}))
            query = f"""
                SELECT {", ".join(COLUMNS)},
                       CASE WHEN is_null_output OR prediction IS NULL THEN '' ELSE prediction END AS label,
                       score, artifacts[1] AS artifact{segments}
                FROM events SEMI JOIN judged_subjects USING (subject_id)
                WHERE status = 'ok' AND happened_at >= $start AND happened_at < $end {chosen}
            """
            parameters = {"start": start, "end": end} | ({} if since is None else {"since": since})
            found: pa.Table = connection.sql(query, params=parameters).to_arrow_table()
        return found.cast(_schema(known.columns))


def empty_answers(segments: tuple[str, ...]) -> pa.Table:
    """No answers, with the columns of `find`."""
    return _schema(segments).empty_table()


def latest_per_subject(answers: pa.Table, keys: tuple[str, ...] = ("subject_id",)) -> pa.Table:
    """The newest answer per key; at the same moment the larger event id wins, so that the choice is repeatable."""
    if not answers.num_rows:
        return answers
    ordered = answers.sort_by([("happened_at", "descending"), ("event_id", "descending")])
    return ordered.take(_first_rows(ordered, keys))


def _first_rows(table: pa.Table, keys: Sequence[str]) -> pa.Array:
    """Number of the first row with each combination of keys, ascending.

    Arrow's own group_by would load its file systems, S3 among them: 10 MB.
    """
    codes = np.zeros(table.num_rows, dtype=np.int64)
    for key in keys:
        encoded = table[key].combine_chunks().dictionary_encode(null_encoding="encode")
        codes = codes * len(encoded.dictionary) + encoded.indices.to_numpy()
    return pa.array(np.sort(np.unique(codes, return_index=True)[1]))


def _schema(segments: tuple[str, ...]) -> pa.Schema:
    moment = pa.timestamp("us", tz="UTC")
    known: list[pa.Field[Any]] = [pa.field(name, moment if name.endswith("_at") else pa.string()) for name in COLUMNS]
    rest: list[pa.Field[Any]] = [
        pa.field("label", pa.string()),
        pa.field("score", pa.float64()),
        pa.field("artifact", pa.string()),
    ]
    return pa.schema([*known, *rest, *(pa.field(f"seg_{key}", pa.string()) for key in segments)])


def _forget(known: _Known, columns: tuple[str, ...]) -> None:
    known.columns, known.subjects, known.range = columns, set(), None
    known.looked_at, known.log_state, known.answers = _ALL_TIME[0], (-1, -1), None


def _distinct(answers: pa.Table) -> pa.Table:
    """One row per event: scans overlap by the lag."""
    first = _first_rows(answers, ["event_id"])
    return answers if len(first) == answers.num_rows else answers.take(first)


def _choose(answers: pa.Table, wanted: set[str], start: datetime, end: datetime) -> pa.Table:
    inside = pc.and_(
        pc.greater_equal(answers["happened_at"], pa.scalar(start, pa.timestamp("us", tz="UTC"))),
        pc.less(answers["happened_at"], pa.scalar(end, pa.timestamp("us", tz="UTC"))),
    )
    asked = pc.is_in(answers["subject_id"], value_set=pa.array(sorted(wanted), pa.string()))
    return answers.filter(pc.and_(inside, asked))
