"""One transaction of the committing thread: many requests in, one `event_batches` row per model out."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from db.base import utc_now
from db.engine import Database, WriteSession
from db.eventlog import metrics, payload
from db.eventlog.columns import align, from_rows, micros, widest
from db.eventlog.id_index import IdIndex
from db.eventlog.ids import Hashes, hash_ids, uuid7_times
from db.eventlog.pending import Answer, AppendResult, Mask, Outcome, Part, Pending
from db.eventlog.schema import MADE_COLUMNS, ModelSpec
from db.repositories import event_batches, idempotency, ingestion, quarantine, schema_notices

StoredRow = dict[str, Any]
#: Finds stored events by id: (model id, ids) -> rows by id.
Finder = Callable[[str, list[str]], dict[str, StoredRow]]


class Unresolved(Exception):
    """Some ids may be repeats; their stored rows must be read before the transaction is tried again."""

    def __init__(self, model_id: str, ids: list[str]) -> None:
        super().__init__(model_id)
        self.model_id = model_id
        self.ids = ids


@dataclass(slots=True)
class Chunk:
    """Rows of one schema that are written as one message."""

    batch: pa.RecordBatch
    hashes: Hashes
    is_made: Mask
    is_now: Mask
    message: bytes | None


@dataclass(slots=True)
class ModelGroup:
    """All rows of one model in this commit, and where each part's rows begin."""

    spec: ModelSpec
    chunks: list[Chunk]
    starts: dict[int, int]
    n: int


@dataclass(slots=True)
class Known:
    """What was found out about possibly repeated ids between two tries of one commit."""

    rows: dict[tuple[str, str], StoredRow | None] = field(default_factory=dict)

    def forget_absent(self, model_id: str) -> None:
        """Drop "not stored" answers after something new was committed by others."""
        for key in [key for key, row in self.rows.items() if row is None and key[0] == model_id]:
            del self.rows[key]


class Committer:
    """Writes groups of pending requests. Used by one thread."""

    def __init__(self, database: Database, find: Finder) -> None:
        self.database = database
        self.find = find
        self.indexes: dict[str, IdIndex] = {}

    def commit(self, pendings: list[Pending]) -> list[Outcome]:
        """Store all or nothing; returns the outcome of each request."""
        known = Known()
        while True:
            try:
                return self._try(pendings, known)
            except Unresolved as missing:
                found = self.find(missing.model_id, missing.ids)
                known.rows.update({(missing.model_id, event_id): found.get(event_id) for event_id in missing.ids})

    def _try(self, pendings: list[Pending], known: Known) -> list[Outcome]:
        now = utc_now()
        stored: list[tuple[IdIndex, int, Hashes]] = []
        try:
            with self.database.write() as session:
                replays = self._claim_keys(session, pendings, now)
                live = [pending for place, pending in enumerate(pendings) if place not in replays]
                results: dict[int, AppendResult] = {}
                for group in group_by_model(live):
                    stored.extend(self._store(session, group, known, results, now))
                outcomes = _outcomes(pendings, replays, results)
                counts = self._write_rest(session, live, results, now)
                _finish_keys(session, pendings, outcomes)
        except BaseException:
            for index, _, _ in stored:
                self.indexes.pop(index.model_id, None)
            raise
        for index, batch_id, hashes in stored:
            index.note_own(batch_id, hashes)
        metrics.count_events(counts)
        return outcomes

    def _claim_keys(self, session: WriteSession, pendings: list[Pending], now: datetime) -> dict[int, Answer]:
        replays: dict[int, Answer] = {}
        for place, pending in enumerate(pendings):
            if pending.keyed is None:
                continue
            earlier = idempotency.claim(session, pending.keyed.key, pending.keyed.request_hash, now)
            if earlier is None:
                continue
            same = earlier.request_hash == pending.keyed.request_hash
            replays[place] = (earlier.status, earlier.body) if same else (-1, "")
        return replays

    def _store(
        self, session: WriteSession, group: ModelGroup, known: Known, results: dict[int, AppendResult], now: datetime
    ) -> list[tuple[IdIndex, int, Hashes]]:
        event_batches.lock_model(session, group.spec.id)
        index = self.indexes.setdefault(group.spec.id, IdIndex(group.spec.id))
        if index.refresh(session):
            known.forget_absent(group.spec.id)
        verdicts = judge(group, index, known)
        _split_results(group, verdicts, results)
        kept = _keep(group.chunks, verdicts) if verdicts else group.chunks
        if not kept:
            return []
        hashes = np.concatenate([chunk.hashes for chunk in kept])
        first, last = _time_range(kept)
        batch_id = event_batches.insert_batch(
            session,
            model_id=group.spec.id,
            n_events=len(hashes),
            first_happened_at=first,
            last_happened_at=last,
            logged_at=now,
            payload=_payload(kept),
            id_hashes=hashes.astype("<u8", copy=False).tobytes(),
        )
        return [(index, batch_id, hashes)]

    def _write_rest(
        self, session: WriteSession, live: list[Pending], results: dict[int, AppendResult], now: datetime
    ) -> dict[tuple[str, str], int]:
        counts: dict[tuple[str, str], int] = {}
        notices: dict[str, dict[tuple[str, str], tuple[int, dict[str, Any]]]] = {}
        rows: list[dict[str, Any]] = []
        for pending in live:
            rows.extend(pending.quarantine)
            _add_up(counts, pending.counts.items())
            for part in pending.parts:
                result, name = results[id(part)], part.spec.name
                repeats = (
                    ((name, ingestion.DUPLICATE), len(result.duplicates)),
                    ((name, "conflict"), len(result.conflicts)),
                )
                _add_up(counts, (((name, ingestion.ACCEPTED), result.n_new), *repeats))
            for model_id, seen in pending.notices.items():
                into = notices.setdefault(model_id, {})
                for key, (n, details) in seen.items():
                    into[key] = (into[key][0] + n, into[key][1]) if key in into else (n, details)
        ingestion.add_counts(session, now.replace(second=0, microsecond=0), counts)
        quarantine.add_rows(session, rows)
        for model_id, seen in notices.items():
            schema_notices.note(session, model_id, now, seen)
        return counts


def _add_up(into: dict[tuple[str, str], int], items: Iterable[tuple[tuple[str, str], int]]) -> None:
    for key, n in items:
        if n:
            into[key] = into.get(key, 0) + n


def _outcomes(pendings: list[Pending], replays: dict[int, Answer], results: dict[int, AppendResult]) -> list[Outcome]:
    made = []
    for place, pending in enumerate(pendings):
        if place in replays:
            made.append(Outcome([], replays[place]))
        else:
            made.append(Outcome([results[id(part)] for part in pending.parts]))
    return made


def _finish_keys(session: WriteSession, pendings: list[Pending], outcomes: list[Outcome]) -> None:
    answered: dict[str, Answer] = {}
    for pending, outcome in zip(pendings, outcomes, strict=True):
        if pending.keyed is None:
            continue
        if outcome.replay is None:
            answer = pending.keyed.write(outcome.results)
            idempotency.finish(session, pending.keyed.key, *answer)
            answered[pending.keyed.key] = answer
        elif outcome.replay[0] == 0:
            outcome.replay = answered[pending.keyed.key]


def group_by_model(pendings: list[Pending]) -> list[ModelGroup]:
    """The rows of each model, small parts of one schema joined into one chunk. Models in a fixed order."""
    by_model: dict[str, list[Part]] = {}
    for pending in pendings:
        for part in pending.parts:
            by_model.setdefault(part.spec.id, []).append(part)
    return [_group(parts) for _, parts in sorted(by_model.items())]


def _group(parts: list[Part]) -> ModelGroup:
    chunks: list[Chunk] = []
    starts: dict[int, int] = {}
    waiting: list[Part] = []
    at = 0
    for part in parts:
        if part.batch is not None or (waiting and waiting[-1].spec != part.spec):
            _flush(waiting, chunks)
        starts[id(part)] = at
        at += part.n
        if part.batch is None:
            waiting.append(part)
        else:
            chunks.append(_ready_chunk(part, part.batch))
    _flush(waiting, chunks)
    return ModelGroup(parts[-1].spec, chunks, starts, at)


def _flush(waiting: list[Part], chunks: list[Chunk]) -> None:
    if waiting:
        rows = [row for part in waiting for row in part.rows or ()]
        is_made = _masks([(part.is_made, part.n) for part in waiting])
        is_now = _masks([(part.is_now, part.n) for part in waiting])
        hashes = hash_ids(row["event_id"] for row in rows)
        chunks.append(Chunk(from_rows(rows, waiting[0].spec), hashes, is_made, is_now, None))
        waiting.clear()


def _ready_chunk(part: Part, batch: pa.RecordBatch) -> Chunk:
    hashes = part.hashes if part.hashes is not None else hash_ids(batch.column("event_id"))
    return Chunk(batch, hashes, _mask(part.is_made, part.n), _mask(part.is_now, part.n), part.message)


def _masks(values: list[tuple[Mask | bool, int]]) -> Mask:
    flat: list[bool] = []
    for value, n in values:
        flat.extend([value] * n if isinstance(value, bool) else value.tolist())
    return np.array(flat, dtype=bool)


def _mask(value: Mask | bool, n: int) -> Mask:
    return np.full(n, value) if isinstance(value, bool) else value


def judge(group: ModelGroup, index: IdIndex, known: Known) -> dict[int, bool]:
    """Row number -> whether the repeat is the same event (True) or another one under the same id (False).

    Raises Unresolved when rows that may be stored were not read yet.
    """
    hashes = np.concatenate([chunk.hashes for chunk in group.chunks])
    is_made = np.concatenate([chunk.is_made for chunk in group.chunks])
    if is_made.all():
        return {}
    rows = np.flatnonzero(~is_made)
    ids = pa.concat_arrays([chunk.batch.column("event_id") for chunk in group.chunks])
    suspicious = np.zeros(group.n, dtype=bool)
    suspicious[rows] = index.contains(hashes[rows], *uuid7_times(ids.take(pa.array(rows))))
    order = np.sort(hashes)
    twins = order[1:][order[1:] == order[:-1]]
    if len(twins):
        suspicious |= np.isin(hashes, twins)
    places = np.flatnonzero(suspicious)
    if len(places) == 0:
        return {}
    return _compare(group, places, ids.take(pa.array(places)).to_pylist(), known)


def _compare(group: ModelGroup, places: np.ndarray[Any, Any], ids: list[str], known: Known) -> dict[int, bool]:
    missing = [event_id for event_id in dict.fromkeys(ids) if (group.spec.id, event_id) not in known.rows]
    if missing:
        raise Unresolved(group.spec.id, missing)
    verdicts: dict[int, bool] = {}
    first: dict[str, StoredRow] = {}
    for place, event_id in zip(places.tolist(), ids, strict=True):
        row, is_now = _row(group, place)
        earlier = known.rows[(group.spec.id, event_id)] or first.get(event_id)
        if earlier is None:
            first[event_id] = row
        else:
            verdicts[place] = is_same(row, earlier, ignore_time=is_now)
    return verdicts


def _row(group: ModelGroup, place: int) -> tuple[StoredRow, bool]:
    for chunk in group.chunks:
        if place < chunk.batch.num_rows:
            return chunk.batch.slice(place, 1).to_pylist()[0], bool(chunk.is_now[place])
        place -= chunk.batch.num_rows
    raise IndexError(place)


def is_same(row: StoredRow, earlier: StoredRow, *, ignore_time: bool) -> bool:
    """Whether two events say the same; columns that we made ourselves do not count."""
    ignored = MADE_COLUMNS | {"happened_at"} if ignore_time else MADE_COLUMNS
    return all(_equal(name, row.get(name), earlier.get(name)) for name in {*row, *earlier} - ignored)


def _equal(name: str, one: Any, other: Any) -> bool:
    if one == other or name not in ("extra", "scores") or one is None or other is None:
        return bool(one == other)
    return bool(json.loads(one) == json.loads(other))  # 7 and 7.0 are one number


def _split_results(group: ModelGroup, verdicts: dict[int, bool], results: dict[int, AppendResult]) -> None:
    ends = [*list(group.starts.values())[1:], group.n]
    marked = sorted(verdicts.items())
    for (part_id, start), end in zip(group.starts.items(), ends, strict=True):
        mine = [(place - start, same) for place, same in marked if start <= place < end] if marked else []
        duplicates = [place for place, same in mine if same]
        conflicts = [place for place, same in mine if not same]
        results[part_id] = AppendResult(end - start - len(mine), duplicates, conflicts)


def _keep(chunks: list[Chunk], verdicts: dict[int, bool]) -> list[Chunk]:
    kept, at = [], 0
    for chunk in chunks:
        mask = np.ones(chunk.batch.num_rows, dtype=bool)
        mask[[place - at for place in verdicts if at <= place < at + len(mask)]] = False
        at += len(mask)
        if mask.all():
            kept.append(chunk)
        elif mask.any():
            batch = chunk.batch.filter(pa.array(mask))
            kept.append(Chunk(batch, chunk.hashes[mask], chunk.is_made[mask], chunk.is_now[mask], None))
    return kept


def _payload(chunks: list[Chunk]) -> bytes:
    schema = widest([chunk.batch.schema for chunk in chunks])
    messages = []
    for chunk in chunks:
        if chunk.batch.schema.equals(schema):
            messages.append(chunk.message or payload.encode_batch(chunk.batch))
        else:
            messages.extend(payload.encode_batch(batch) for batch in align(chunk.batch, schema).to_batches())
    return payload.join(schema, messages)


def _time_range(chunks: list[Chunk]) -> tuple[datetime, datetime]:
    lows, highs = [], []
    for chunk in chunks:
        times = micros(chunk.batch.column("happened_at"))
        lows.append(int(times.min()))
        highs.append(int(times.max()))
    return _moment(min(lows)), _moment(max(highs))


def _moment(at_us: int) -> datetime:
    return datetime.fromtimestamp(at_us // 1_000_000, UTC).replace(microsecond=at_us % 1_000_000)


def filter_times(table: pa.Table, start: datetime | None, end: datetime | None) -> pa.Table:
    """Rows that happened in [start, end)."""
    happened = table.column("happened_at")
    mask = None
    if start is not None:
        mask = pc.greater_equal(happened, pa.scalar(start, happened.type))
    if end is not None:
        before = pc.less(happened, pa.scalar(end, happened.type))
        mask = before if mask is None else pc.and_(mask, before)
    return table if mask is None else table.filter(mask)
