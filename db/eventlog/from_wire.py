"""Wire-shaped Arrow tables -> checked parts, column by column. The fast doors for NDJSON and Arrow streams use it.

`convert` is as strict as db.eventlog.validate, but says only that something is wrong; the slow door finds out what.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from db.eventlog import payload
from db.eventlog.columns import constant, finish, micros
from db.eventlog.door import now_us
from db.eventlog.ids import hash_ids, make_ids
from db.eventlog.limits import DoorLimits
from db.eventlog.pending import Mask, Part
from db.eventlog.schema import ROLES, STATUSES, TEXT_LIMITS, UTC_US, ModelSpec

_TWO_63 = float(2**63)
_SHA256 = "^[0-9a-f]{64}$"


class Doubtful(Exception):
    """Some row may be bad; the slow door decides which and why."""


def convert(table: pa.Table, spec: ModelSpec, limits: DoorLimits, now: datetime | None = None) -> Part:
    """A stored, encoded part of the rows of a wire-shaped table, or Doubtful."""
    return _Conversion(table, spec, limits, now).part()


class _Conversion:
    def __init__(self, table: pa.Table, spec: ModelSpec, limits: DoorLimits, now: datetime | None) -> None:
        self.spec = spec
        self.limits = limits
        self.n = table.num_rows
        self.first_us, self.last_us = limits.window_us(now)
        self.wire = {name: _flat(table.column(name)) for name in table.schema.names}
        self.columns: dict[str, pa.Array] = {}
        self.extra: dict[str, dict[str, pa.Array]] = {}

    def part(self) -> Part:
        is_made = self._ids()
        is_now = self._times()
        self._texts()
        self._answers()
        self._numbers()
        self._nested()
        self._rest()
        batch = finish(self.columns, self.spec, self.n)
        hashes = hash_ids(batch.column("event_id"))
        message = payload.encode_batch(batch)
        return Part(self.spec, batch=batch, message=message, hashes=hashes, is_made=is_made, is_now=is_now)

    def _take(self, name: str, kind: pa.DataType) -> pa.Array:
        found = self.wire.get(name)
        if found is None or pa.types.is_null(found.type):
            return pa.nulls(self.n, kind)
        return found

    def _ids(self) -> Mask | bool:
        ids = self._take("id", pa.string())
        _check_lengths(ids, TEXT_LIMITS["id"], at_least=1)
        if ids.null_count == 0:
            self.columns["event_id"] = ids
            return False
        made = make_ids(self.n)
        self.columns["event_id"] = made if ids.null_count == self.n else pc.coalesce(ids, made)
        return True if ids.null_count == self.n else pc.is_null(ids).to_numpy(zero_copy_only=False)

    def _times(self) -> Mask | bool:
        at = now_us()
        logged = constant(at, self.n, pa.int64()).cast(UTC_US)
        self.columns["logged_at"] = logged
        given = self._take("happened_at", pa.string())
        if given.null_count == self.n:
            self.columns["happened_at"] = logged
            return True
        times = given if pa.types.is_timestamp(given.type) else _parse_times(given)
        valid = micros(times.drop_null())
        if len(valid) and not (self.first_us <= valid.min() and valid.max() <= self.last_us):
            raise Doubtful("time")
        self.columns["happened_at"] = times if times.null_count == 0 else pc.coalesce(times, logged)
        return False if given.null_count == 0 else pc.is_null(given).to_numpy(zero_copy_only=False)

    def _texts(self) -> None:
        for name, longest in TEXT_LIMITS.items():
            if name != "id":
                column = self._take(name, pa.string())
                _check_lengths(column, longest, at_least=1 if name == "version" else 0)
                self.columns[name] = column
        if self.columns["version"].null_count:
            raise Doubtful("version")
        for name, allowed, default in (("role", ROLES, "champion"), ("status", STATUSES, "ok")):
            column = self.columns[name]
            if column.null_count == self.n:
                self.columns[name] = constant(default, self.n, pa.string())
                continue
            filled = pc.fill_null(column, default)
            if not pc.all(pc.is_in(filled, value_set=pa.array(allowed))).as_py():
                raise Doubtful(name)
            self.columns[name] = filled
        named = self._take("model", pa.string())
        if named.null_count < self.n and not pc.all(pc.equal(named, self.spec.name)).as_py():
            raise Doubtful("model")

    def _answers(self) -> None:
        kind = self.spec.output_kind
        if kind == "number":
            numbers = _finite(self._take("prediction", pa.float64()))
            self.columns["prediction_number"] = numbers
            self.columns["champion_prediction"] = pc.cast(
                _finite(self._take("champion_prediction", pa.float64())), pa.string()
            )
            return
        for name in ("prediction", "champion_prediction"):
            self.columns[name] = self._take(name, pa.string())
            if kind == "label":
                _check_lengths(self.columns[name], 200)
        self.columns["prediction_number"] = pa.nulls(self.n, pa.float64())

    def _numbers(self) -> None:
        for name in ("score", "latency_ms", "assignment_probability"):
            self.columns[name] = _finite(self._take(name, pa.float64()))
        lowest = pc.min(self.columns["latency_ms"]).as_py()
        if lowest is not None and lowest < 0:
            raise Doubtful("latency_ms")
        chances = pc.min_max(self.columns["assignment_probability"]).as_py()
        if chances["min"] is not None and not 0 <= chances["min"] <= chances["max"] <= 1:
            raise Doubtful("assignment_probability")
        self.columns["is_cached"] = self._take("is_cached", pa.bool_())

    def _nested(self) -> None:
        inputs = _fields(self._take("inputs", pa.null()))
        for item in self.spec.inputs:
            found = inputs.pop(item.name, None)
            self.columns[item.column] = self._input(found, item.type)
        segments = _fields(self._take("segments", pa.null()))
        for key in self.spec.segment_keys:
            found = segments.pop(key, None)
            self.columns["seg_" + key] = found if found is not None else pa.nulls(self.n, pa.string())
            _check_lengths(self.columns["seg_" + key], 200)
        metrics = _fields(self._take("metrics", pa.null()))
        for name in self.spec.metrics:
            found = metrics.pop(name, None)
            self.columns["metric_" + name] = _finite(found) if found is not None else pa.nulls(self.n, pa.float64())
        for column in segments.values():
            _check_lengths(column, 200)
        self.columns["scores"] = _json_objects(
            {name: _finite(column) for name, column in _fields(self._take("scores", pa.null())).items()}, self.n
        )
        self.columns["extra"] = self._extras(inputs, segments, metrics)

    def _input(self, found: pa.Array | None, kind: str) -> pa.Array:
        stored = {"time": UTC_US, "string": pa.string(), "boolean": pa.bool_(), "integer": pa.int64()}
        if found is None:
            return pa.nulls(self.n, stored.get(kind, pa.float64()))
        if kind == "number":
            return _finite(found)
        if kind == "time":
            return found if pa.types.is_timestamp(found.type) else _parse_times(found)
        return found

    def _extras(
        self, inputs: dict[str, pa.Array], segments: dict[str, pa.Array], metrics: dict[str, pa.Array]
    ) -> pa.Array:
        groups: dict[str, list[dict[str, Any]]] = {}
        for name, columns in (("inputs", inputs), ("segments", segments), ("metrics", metrics)):
            filled = {key: column for key, column in columns.items() if column.null_count < self.n}
            if filled:
                for column in filled.values():
                    if pa.types.is_floating(column.type):
                        _finite(column)
                groups[name] = _objects(filled, self.n)
        if not groups:
            return pa.nulls(self.n, pa.string())
        texts = []
        for place in range(self.n):
            whole = {name: rows[place] for name, rows in groups.items() if rows[place]}
            texts.append(orjson.dumps(whole, option=orjson.OPT_SORT_KEYS).decode() if whole else None)
        return pa.array(texts, pa.string())

    def _rest(self) -> None:
        artifacts = self._take("artifacts", pa.list_(pa.string()))
        if artifacts.null_count < self.n:
            values = artifacts.flatten()
            longest = pc.max(pc.list_value_length(artifacts)).as_py() or 0
            if longest > 100 or values.null_count or not _all(pc.match_substring_regex(values, _SHA256)):
                raise Doubtful("artifacts")
        self.columns["artifacts"] = artifacts


def _flat(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _fields(column: pa.Array) -> dict[str, pa.Array]:
    if not pa.types.is_struct(column.type):
        return {}
    return dict(zip((field.name for field in column.type), column.flatten(), strict=True))


def _all(mask: pa.Array) -> bool:
    return len(mask) == 0 or bool(pc.all(mask).as_py())


def _check_lengths(column: pa.Array, longest: int, *, at_least: int = 0) -> None:
    if column.null_count == len(column):
        return
    ends = pc.min_max(pc.binary_length(column)).as_py()
    if ends["max"] > longest or ends["min"] < at_least:
        raise Doubtful("length")


def _finite(column: pa.Array) -> pa.Array:
    """Finite doubles below 2**63 in size: larger ones may have been whole numbers beyond 64 bits."""
    if column.null_count == len(column):
        return column
    ends = pc.min_max(column).as_py()
    if not (ends["min"] > -_TWO_63 and ends["max"] < _TWO_63) or not _all(pc.is_finite(column)):
        raise Doubtful("number")
    return column


def _parse_times(texts: pa.Array) -> pa.Array:
    try:
        return pc.cast(texts, UTC_US)
    except pa.ArrowInvalid:
        pass
    try:
        return pc.cast(pc.cast(texts, pa.timestamp("ns", tz="UTC")), UTC_US, safe=False)
    except pa.ArrowInvalid as error:
        raise Doubtful("time") from error


def _objects(columns: dict[str, pa.Array], n: int) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = [{} for _ in range(n)]
    for name, column in columns.items():
        for row, value in zip(rows, column.to_pylist(), strict=True):
            if value is not None:
                row[name] = value
    return rows


def _json_objects(columns: dict[str, pa.Array], n: int) -> pa.Array:
    """JSON texts of numbers by name; null where an event has none."""
    filled = {name: column for name, column in sorted(columns.items()) if column.null_count < n}
    if not filled:
        return pa.nulls(n, pa.string())
    if all(column.null_count == 0 for column in filled.values()):
        parts: list[Any] = []
        for place, (name, column) in enumerate(filled.items()):
            head = ("{" if place == 0 else ",") + orjson.dumps(name).decode() + ":"
            parts += [pa.scalar(head), pc.cast(column, pa.string())]
        return pc.binary_join_element_wise(*parts, pa.scalar("}"), "")
    texts = [orjson.dumps(row).decode() if row else None for row in _objects(filled, n)]
    return pa.array(texts, pa.string())
