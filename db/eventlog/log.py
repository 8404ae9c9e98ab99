"""The event log: append events durably, and read them back. One object per process; everything goes through it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from db.base import utc_now
from db.engine import Database
from db.eventlog import payload
from db.eventlog.catalog import ModelCatalog
from db.eventlog.charts import cells_of_models, cells_table
from db.eventlog.columns import align
from db.eventlog.commit import Committer
from db.eventlog.door import Checked, check_rows, inferable
from db.eventlog.fast_json import HintStore
from db.eventlog.feature_hot import HotFeatures
from db.eventlog.filters import Filter
from db.eventlog.ids import hash_ids
from db.eventlog.lake import Lake
from db.eventlog.limits import DoorLimits
from db.eventlog.pending import AppendResult, Outcome, Part, Pending
from db.eventlog.problems import KeyReused, LogUnavailable, Refusal
from db.eventlog.read import Reader, rows_by_id
from db.eventlog.rollup import Cell, merge_cells
from db.eventlog.schema import ModelLike, ModelSpec, spec_of
from db.eventlog.writer import Writer
from db.repositories import event_batches
from db.repositories.unsealed import unsealed_models

if TYPE_CHECKING:
    import duckdb

__all__ = ["AppendResult", "EventLog", "Filter", "LogResult"]

#: A caller is told to come back when its events are not on disk after this many seconds.
COMMIT_TIMEOUT_S = 2.7
_TOO_LATE = "the database did not answer in time"


@dataclass(frozen=True, slots=True)
class LogResult:
    """What became of logged rows: ids in their order (None for refused ones), repeats and refusals by place."""

    n_new: int
    ids: list[str | None]
    duplicates: list[int] = field(default_factory=list)
    conflicts: list[int] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)


class EventLog:
    """Appends with group commit, reads sealed and hot events as one."""

    def __init__(self, database: Database, lake_uri: str, *, limits: DoorLimits | None = None) -> None:
        self.database = database
        self.limits = limits or DoorLimits()
        self.lake = Lake(lake_uri)
        self.models = ModelCatalog(database)
        self.hints = HintStore()
        self.reader = Reader(database, self.lake)
        self.hot_features = HotFeatures()
        self.writer = Writer(Committer(database, self._find_stored))

    def start(self) -> None:
        """Start the committing thread."""
        self.writer.start()

    def close(self) -> None:
        """Commit what was accepted, then stop."""
        self.writer.close()
        self.reader.close()

    # --- appending ---------------------------------------------------------------------------------------------

    def append(self, model_id: str, table: pa.Table) -> AppendResult:
        """Store rows in the model's stored schema; returns after they are on disk."""
        return self.wait(self._table_pending(model_id, table)).results[0]

    async def append_async(self, model_id: str, table: pa.Table) -> AppendResult:
        """As `append`, without blocking the event loop."""
        pending = await asyncio.to_thread(self._table_pending, model_id, table)
        return (await self.wait_async(pending)).results[0]

    def _table_pending(self, model_id: str, table: pa.Table) -> Pending:
        spec = self.models.by_id(model_id)
        aligned = align(table, spec.sent).combine_chunks()
        if aligned.column("logged_at").null_count:
            place = aligned.schema.get_field_index("logged_at")
            field_ = aligned.schema.field(place)
            aligned = aligned.set_column(place, field_, pa.repeat(pa.scalar(utc_now(), field_.type), len(aligned)))
        return Pending([table_part(spec, aligned)] if len(aligned) else [], n_bytes=aligned.nbytes)

    def log_rows(self, model: ModelLike | ModelSpec, rows: Sequence[Mapping[str, Any]]) -> LogResult:
        """Check and store wire-shaped events from inside the process, as the HTTP door does. NaN becomes null."""
        checked, pending = self._rows_pending(spec_of(model), rows)
        return log_result(len(rows), checked, self.wait(pending))

    async def log_rows_async(self, model: ModelLike | ModelSpec, rows: Sequence[Mapping[str, Any]]) -> LogResult:
        """As `log_rows`, without blocking the event loop."""
        checked, pending = await asyncio.to_thread(self._rows_pending, spec_of(model), rows)
        return log_result(len(rows), checked, await self.wait_async(pending))

    def _rows_pending(self, spec: ModelSpec, rows: Sequence[Mapping[str, Any]]) -> tuple[Checked, Pending]:
        spec = self.models.newest(spec)
        checked = self.settle(check_rows(enumerate(rows), spec, self.limits, allow_nan=True), dict(enumerate(rows)))
        return checked, self.make_pending([checked], actor="process")

    def settle(self, checked: Checked, events: Mapping[int, Any]) -> Checked:
        """Declare inputs that an unlocked model did not know yet, and check again the events that carry them."""
        fields = inferable(checked.unknown, checked.spec)
        if not fields:
            return checked
        spec = self.models.extend(checked.spec, fields, checked.unknown)
        if spec.inputs == checked.spec.inputs:
            return checked
        again = check_rows(((index, events[index]) for index in checked.indexes), spec, self.limits, allow_nan=True)
        again.refusals = sorted([*checked.refusals, *again.refusals], key=lambda refusal: refusal.index)
        again.changed.update(checked.changed)
        return again

    def make_pending(self, checked: Sequence[Checked], *, actor: str, n_bytes: int = 0) -> Pending:
        """One pending request of checked events: rows to store, rows to quarantine, notices and counts."""
        pending = Pending([item.part for item in checked if item.part is not None], n_bytes=n_bytes)
        now = utc_now()
        for item in checked:
            for refusal in item.refusals:
                key = (item.spec.name, refusal.code)
                pending.counts[key] = pending.counts.get(key, 0) + 1
                pending.quarantine.append(quarantine_row(item.spec.name, refusal, actor, now))
            seen: dict[tuple[str, str], tuple[int, dict[str, Any]]] = {}
            for name, (kind, n) in item.unknown.items():
                seen[(name, "new_field")] = (n, {"type": kind, "kept_in": "extra"})
            for name, (message, n) in item.changed.items():
                seen[(name, "type_changed")] = (n, {"reason": message})
            if seen:
                pending.notices[item.spec.id] = seen
        return pending

    def add_orphans(self, pending: Pending, orphans: Sequence[Refusal], *, actor: str) -> None:
        """Count and keep refused rows that belong to no known model."""
        now = utc_now()
        for refusal in orphans:
            pending.counts[("", refusal.code)] = pending.counts.get(("", refusal.code), 0) + 1
            if refusal.status == 422:
                pending.quarantine.append(quarantine_row("", refusal, actor, now))

    def submit(self, pending: Pending) -> None:
        """Hand a request to the committing thread; LogUnavailable when too much waits."""
        self.writer.submit(pending)

    def wait(self, pending: Pending) -> Outcome:
        """Submit and block until it is on disk; LogUnavailable when that takes too long."""
        if pending.n_bytes == 0:
            pending.n_bytes = 500 * pending.n
        pending.future = Future()
        self.submit(pending)
        try:
            return _checked(pending.future.result(timeout=COMMIT_TIMEOUT_S))
        except FutureTimeout:
            pending.future.cancel()
            raise LogUnavailable(_TOO_LATE) from None

    async def wait_async(self, pending: Pending) -> Outcome:
        """Submit and await until it is on disk; LogUnavailable when that takes too long."""
        if pending.n_bytes == 0:
            pending.n_bytes = 500 * pending.n
        loop = asyncio.get_running_loop()
        waiter = pending.waiter = loop.create_future()
        self.submit(pending)
        timer = loop.call_later(COMMIT_TIMEOUT_S, _give_up, pending, waiter)
        try:
            return _checked(await waiter)
        finally:
            timer.cancel()

    # --- reading -----------------------------------------------------------------------------------------------

    def read(
        self,
        model_id: str,
        start: datetime | None,
        end: datetime | None,
        *,
        columns: Sequence[str] | None = None,
        where: Sequence[Filter] = (),
        limit: int | None = None,
        newest_first: bool = False,
        before: tuple[datetime, str] | None = None,
    ) -> pa.Table:
        """Events that happened in [start, end), sealed and hot, in one consistent snapshot.

        Ordered by time when `limit` or `newest_first` is given; `before` (time, id) continues such a listing.
        """
        return self.reader.read(
            self.models.by_id(model_id),
            start,
            end,
            columns=columns,
            where=where,
            limit=limit,
            newest_first=newest_first,
            before=before,
        )

    @contextmanager
    def connect(
        self, model_id: str, start: datetime | None = None, end: datetime | None = None
    ) -> Iterator[duckdb.DuckDBPyConnection]:
        """A DuckDB connection with the view `events` over the window; external access is off."""
        with self.reader.connect(self.models.by_id(model_id), start, end) as connection:
            yield connection

    def find(self, model_id: str, event_id: str) -> dict[str, Any] | None:
        """One event by its id."""
        return rows_by_id(self.find_many(model_id, [event_id])).get(event_id)

    def find_many(self, model_id: str, ids: Sequence[str]) -> pa.Table:
        """The events with these ids, in no particular order."""
        return self.reader.find_rows(self.models.by_id(model_id), ids)

    def rollup_cells(
        self,
        model_id: str,
        grain_s: int,
        start: datetime,
        end: datetime,
        segment_key: str = "",
        *,
        segment_values: Sequence[str] | None = None,
        columns: Sequence[str] | None = None,
    ) -> pa.Table:
        """Roll-up cells of [start, end), sealed and hot, in one consistent snapshot.

        `grain_s` is 300, 3600 or 86400; `segment_key` '' gives the totals. Columns are those of the table `rollups`
        (or the named ones beside the key): `latency` is an encoded histogram (db.eventlog.histogram.decode),
        `counts` is JSON text. Cells are additive, and one key may come in several rows.
        """
        spec = self.models.by_id(model_id)
        with self.database.read() as session:
            hot = self.reader.hot.cells(session, spec)
            return cells_table(
                session,
                spec,
                hot,
                grain_s,
                start,
                end,
                segment_key=segment_key,
                segment_values=segment_values,
                columns=columns,
            )

    def rollup_cells_of_models(
        self,
        model_ids: Sequence[str],
        grain_s: int,
        ranges: Sequence[tuple[datetime, datetime]],
        segment_key: str = "",
        *,
        columns: Sequence[str],
    ) -> pa.Table:
        """The cells of many models in one snapshot: those of `rollup_cells`, with a column `model_id`.

        One query per range, whatever the number of models; `ranges` must not overlap.
        """
        with self.database.read() as session:
            waiting = {hot.model_id for hot in unsealed_models(session)} & set(model_ids)
            hot = {one: self.reader.hot.cells(session, self.models.by_id(one)) for one in sorted(waiting)}
            return cells_of_models(session, hot, model_ids, grain_s, ranges, segment_key=segment_key, columns=columns)

    def hot_rollups(self, model_id: str) -> list[Cell]:
        """The cells of the events that are not sealed yet, for all grains and segment keys."""
        spec = self.models.by_id(model_id)
        with self.database.read() as session:
            return merge_cells([self.reader.hot.cells(session, spec)])

    def iter_batches(
        self, model_id: str, after_id: int = 0, limit: int = 100, *, max_events: int | None = None
    ) -> list[tuple[int, pa.Table]]:
        """Committed batches after a batch id, in commit order, in the model's stored schema. Sealed ones are gone.

        At most `limit` of them, and no further one once they hold `max_events` together.
        """
        spec = self.models.by_id(model_id)
        with self.database.read() as session:
            found = event_batches.payloads_after(session, model_id, after_id, limit, max_events)
        return [(batch_id, align(payload.decode(blob), spec.stored)) for batch_id, blob in found]

    def _find_stored(self, model_id: str, ids: list[str]) -> dict[str, dict[str, Any]]:
        return rows_by_id(self.find_many(model_id, ids))


def table_part(spec: ModelSpec, table: pa.Table) -> Part:
    """A part of ready stored rows, hashed and encoded by the calling thread."""
    batch = table.to_batches()[0]
    return Part(spec, batch=batch, message=payload.encode_batch(batch), hashes=hash_ids(batch.column("event_id")))


def quarantine_row(model_name: str, refusal: Refusal, actor: str, now: datetime) -> dict[str, Any]:
    """A refusal as a row of the quarantine."""
    return {
        "model_name": model_name[:100],
        "received_at": now,
        "code": refusal.code[:60],
        "pointer": refusal.pointer[:300],
        "message": refusal.message,
        "raw": refusal.raw,
        "actor": actor[:200],
    }


def log_result(n: int, checked: Checked, outcome: Outcome) -> LogResult:
    """The result by place in the request, from the result by stored row."""
    ids: list[str | None] = [None] * n
    if checked.part is None:
        return LogResult(0, ids, refusals=checked.refusals)
    result = outcome.results[0]
    for index, row in zip(checked.indexes, checked.part.rows or (), strict=True):
        ids[index] = row["event_id"]
    return LogResult(
        result.n_new,
        ids,
        [checked.indexes[place] for place in result.duplicates],
        [checked.indexes[place] for place in result.conflicts],
        checked.refusals,
    )


def _give_up(pending: Pending, waiter: asyncio.Future[Outcome]) -> None:
    pending.is_given_up = True
    if not waiter.done():
        waiter.set_exception(LogUnavailable(_TOO_LATE))


def _checked(outcome: Outcome) -> Outcome:
    if outcome.replay is not None and outcome.replay[0] == -1:
        raise KeyReused("this Idempotency-Key was used for another request")
    return outcome
