"""Roll-ups: additive counts of events per time bucket, version, role and segment value. Pure, vectorised."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from db.eventlog import histogram, numbers
from db.eventlog.columns import micros
from db.eventlog.schema import InputField, ModelSpec

GRAINS_S = (300, 3600, 86_400)
#: Small maps inside a cell keep this many keys; the rest is summed under OTHER.
MAX_KEYS = 200
OTHER = "*"
#: Pairs of cell and code that are counted in one array, 32 MB of it.
_DENSE = 4_000_000
SUMS = (
    "n_events",
    "n_errors",
    "n_timeouts",
    "n_null_outputs",
    "n_cached",
    "n_fields",
    "n_missing_fields",
    "n_with_missing",
    "n_scored",
    "score_sum",
    "n_timed",
    "latency_sum_ms",
    "n_pairs",
    "n_agreed",
)
KEY = ("grain_s", "bucket_at", "version", "role", "segment_key", "segment_value")
_REALS = frozenset({"score_sum", "latency_sum_ms"})
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Cell = dict[str, Any]
Ints = npt.NDArray[np.int64]
Reals = npt.NDArray[np.float64]


@dataclass(slots=True)
class Triples:
    """Counts of (cell, code) pairs; `names` spells the codes of label, field and error maps."""

    cell: Ints
    code: Ints
    n: Ints
    names: list[str]


@dataclass(slots=True)
class Block:
    """Cells as columns: keys (codes into `versions`, `roles`, `values`), sums, sparse maps, and numbers by name."""

    grain_s: int
    segment_key: str
    bucket: Ints
    version: Ints
    role: Ints
    value: Ints
    versions: list[str]
    roles: list[str]
    values: list[str]
    sums: dict[str, Reals]
    latency: Triples
    maps: dict[str, Triples]
    numbers: dict[str, Number]


@dataclass(slots=True)
class Number:
    """One number over the cells: its sum per cell, and counts of (cell, signed bucket)."""

    total: Reals
    histogram: Triples


def summarise_events(table: pa.Table, spec: ModelSpec) -> list[Cell]:
    """The roll-up cells of a model's events, given in its stored schema."""
    return summarise(table, spec.segment_keys, count_labels=spec.output_kind == "label", inputs=spec.inputs)


def summarise(
    table: pa.Table,
    segment_keys: Sequence[str] = (),
    *,
    count_labels: bool = True,
    inputs: Sequence[InputField] = (),
) -> list[Cell]:
    """The roll-up cells of stored events, for all grains, in total and per value of each segment key.

    Cells have the columns of `rollups` without id and model; `latency` and `numbers` are encoded, `counts` holds
    "labels", "missing", "errors", "out_of_range" and "unseen". A segment value '' means that the event named none.
    """
    if table.num_rows == 0:
        return []
    rows = _Rows(table, count_labels=count_labels, inputs=inputs)
    blocks = [rows.block(key) for key in segment_keys if table.schema.get_field_index("seg_" + key) >= 0]
    total = regroup(blocks[0], GRAINS_S[0], by_segment=False) if blocks else rows.block("")
    cells: list[Cell] = []
    for block in (total, *blocks):
        for grain_s in GRAINS_S:
            coarse = block if grain_s == block.grain_s else regroup(block, grain_s, by_segment=True)
            cells.extend(to_cells(coarse))
    return cells


class _Rows:
    """What summarising needs of every row, computed once for all segment keys."""

    def __init__(self, table: pa.Table, *, count_labels: bool, inputs: Sequence[InputField]) -> None:
        self.table = table
        self.n = table.num_rows
        self.bucket = micros(table.column("happened_at")) // (GRAINS_S[0] * 1_000_000)
        self.version, self.versions = _codes(table.column("version"))
        self.role, self.roles = _codes(table.column("role"))
        self.weights = self._weights()
        latency = _column(table, "latency_ms")
        self.timed = np.flatnonzero(latency.is_valid().to_numpy(zero_copy_only=False))
        self.latency = histogram.bucket_of(latency.drop_null().to_numpy(zero_copy_only=False))
        self.labels = self._labels() if count_labels else None
        self.errors = self._errors()
        self.signals = [(name, signal, signal.buckets) for name, signal in numbers.signals_of(table, inputs).items()]
        self.violations = find_violations(table, inputs)

    def _weights(self) -> dict[str, Reals]:
        table = self.table
        status = _column(table, "status")
        inputs = sum(name.startswith("in_") for name in table.schema.names)
        missing = _numbers(table, "n_missing")
        champion = _column(table, "champion_prediction")
        agreed = pc.fill_null(pc.equal(champion, _column(table, "prediction")), False)
        return {
            "n_events": np.ones(self.n),
            "n_errors": _ones(pc.equal(status, "error")),
            "n_timeouts": _ones(pc.equal(status, "timeout")),
            "n_null_outputs": _ones(_column(table, "is_null_output")),
            "n_cached": _ones(_column(table, "is_cached")),
            "n_fields": np.full(self.n, float(inputs)),
            "n_missing_fields": missing,
            "n_with_missing": (missing > 0).astype(float),
            "n_scored": _ones(pc.is_valid(_column(table, "score"))),
            "score_sum": _numbers(table, "score"),
            "n_timed": _ones(pc.is_valid(_column(table, "latency_ms"))),
            "latency_sum_ms": _numbers(table, "latency_ms"),
            "n_pairs": _ones(pc.is_valid(champion)),
            "n_agreed": _ones(agreed),
        }

    def _labels(self) -> tuple[Ints, Ints, list[str]]:
        column = _column(self.table, "prediction")
        rows = np.flatnonzero(column.is_valid().to_numpy(zero_copy_only=False))
        codes, names = _codes(column.drop_null())
        return rows, *_capped(codes, names)

    def _errors(self) -> tuple[Ints, Ints, list[str]]:
        status = _column(self.table, "status")
        rows = np.flatnonzero(_ones(pc.not_equal(status, "ok")))
        at = pa.array(rows)
        text = pc.utf8_slice_codeunits(pc.fill_null(_column(self.table, "error").take(at), ""), 0, 80)
        kinds = pc.if_else(pc.equal(text, ""), status.take(at), text)
        codes, names = _codes(kinds)
        return rows, *_capped(codes, names, limit=50)

    def block(self, segment_key: str) -> Block:
        """The finest cells, split by the values of one segment key ('' for no split)."""
        if segment_key:
            value, values = _codes(pc.fill_null(_column(self.table, "seg_" + segment_key), ""))
        else:
            value, values = np.zeros(self.n, dtype=np.int64), [""]
        low = int(self.bucket.min())
        sizes = (len(self.versions), len(self.roles), len(values))
        key = (((self.bucket - low) * sizes[0] + self.version) * sizes[1] + self.role) * sizes[2] + value
        cell, unique = _compact(key)
        n_cells = len(unique)
        rest, value_code = np.divmod(unique, sizes[2])
        rest, role_code = np.divmod(rest, sizes[1])
        bucket, version_code = np.divmod(rest, sizes[0])
        sums: dict[str, Reals] = {
            name: np.bincount(cell, weights=weight, minlength=n_cells).astype(np.float64)
            for name, weight in self.weights.items()
        }
        maps = {"errors": _count(cell[self.errors[0]], self.errors[1], self.errors[2])}
        if self.labels is not None:
            maps["labels"] = _count(cell[self.labels[0]], self.labels[1], self.labels[2])
        maps["missing"] = self._missing(cell, n_cells)
        for kind, found in self.violations.items():
            maps[kind] = _join_counts(cell, found)
        return Block(
            GRAINS_S[0],
            segment_key,
            bucket + low,
            version_code,
            role_code,
            value_code,
            self.versions,
            self.roles,
            values,
            sums,
            _count(cell[self.timed], self.latency, []),
            maps,
            {name: self._number(cell, n_cells, signal, buckets) for name, signal, buckets in self.signals},
        )

    def _number(self, cell: Ints, n_cells: int, signal: numbers.Signal, buckets: Ints) -> Number:
        places = cell[signal.rows]
        total = np.bincount(places, weights=signal.values, minlength=n_cells).astype(np.float64)
        return Number(total, _count(places, buckets, []))

    def _missing(self, cell: Ints, n_cells: int) -> Triples:
        cells: list[Ints] = []
        codes: list[Ints] = []
        counts: list[Ints] = []
        names: list[str] = []
        for name in self.table.schema.names:
            if name.startswith("in_") and self.table.column(name).null_count:
                n = np.bincount(cell, weights=_ones(pc.is_null(_column(self.table, name))), minlength=n_cells)
                filled = np.flatnonzero(n)
                cells.append(filled)
                codes.append(np.full(len(filled), len(names)))
                counts.append(n[filled])
                names.append(name[3:])
        if not names:
            return _count(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), [])
        joined = [np.concatenate(part).astype(np.int64) for part in (cells, codes, counts)]
        return Triples(joined[0], joined[1], joined[2], names)


def regroup(block: Block, grain_s: int, *, by_segment: bool) -> Block:
    """The same counts in coarser buckets, or summed over the segment values."""
    bucket = block.bucket * block.grain_s // grain_s
    value = block.value if by_segment else np.zeros_like(block.value)
    values = block.values if by_segment else [""]
    low = int(bucket.min())
    sizes = (len(block.versions), len(block.roles), len(values))
    key = (((bucket - low) * sizes[0] + block.version) * sizes[1] + block.role) * sizes[2] + value
    unique, first, cell = np.unique(key, return_index=True, return_inverse=True)
    n_cells = len(unique)
    return Block(
        grain_s,
        block.segment_key if by_segment else "",
        bucket[first],
        block.version[first],
        block.role[first],
        value[first],
        block.versions,
        block.roles,
        values,
        {
            name: np.bincount(cell, weights=sums, minlength=n_cells).astype(np.float64)
            for name, sums in block.sums.items()
        },
        _regroup_triples(block.latency, cell),
        {name: _regroup_triples(triples, cell) for name, triples in block.maps.items()},
        {
            name: Number(
                np.bincount(cell, weights=number.total, minlength=n_cells).astype(np.float64),
                _regroup_triples(number.histogram, cell),
            )
            for name, number in block.numbers.items()
        },
    )


def to_cells(block: Block) -> list[Cell]:
    """Cells as dictionaries."""
    n = len(block.bucket)
    latency = _split(block.latency, n)
    maps = {name: _split(triples, n) for name, triples in block.maps.items()}
    kept = _numbers_of_cells(block, n)
    columns = {
        name: sums.tolist() if name in _REALS else np.rint(sums).astype(np.int64).tolist()
        for name, sums in block.sums.items()
    }
    made = []
    for place in range(n):
        codes, counts = latency[place]
        cell: Cell = {
            "grain_s": block.grain_s,
            "bucket_at": _EPOCH + timedelta(seconds=int(block.bucket[place]) * block.grain_s),
            "version": block.versions[block.version[place]],
            "role": block.roles[block.role[place]],
            "segment_key": block.segment_key,
            "segment_value": block.values[block.value[place]],
            "latency": histogram.encode(codes, counts) if len(codes) else b"",
            "numbers": numbers.encode(kept[place]),
            "counts": {},
        }
        for name in SUMS:
            cell[name] = columns[name][place]
        for name, split in maps.items():
            codes, counts = split[place]
            names = block.maps[name].names
            if len(codes):
                cell["counts"][name] = dict(zip((names[code] for code in codes.tolist()), counts.tolist(), strict=True))
        made.append(cell)
    return made


def _numbers_of_cells(block: Block, n_cells: int) -> list[dict[str, numbers.Kept]]:
    found: list[dict[str, numbers.Kept]] = [{} for _ in range(n_cells)]
    for name, number in block.numbers.items():
        totals = number.total.tolist()
        for place, (buckets, counts) in enumerate(_split(number.histogram, n_cells)):
            if len(buckets):
                blob = numbers.encode_histogram(buckets, counts)
                found[place][name] = numbers.Kept(int(counts.sum()), totals[place], blob)
    return found


def find_violations(table: pa.Table, inputs: Sequence[InputField]) -> dict[str, dict[str, Ints]]:
    """Places of events with a value outside of what an input declares: {"out_of_range" | "unseen": {field: rows}}."""
    found: dict[str, dict[str, Ints]] = {}
    for item in inputs:
        if table.schema.get_field_index(item.column) < 0:
            continue
        if item.categories and item.type == "string":
            column = _column(table, item.column)
            strange = pc.invert(pc.is_in(column, value_set=pa.array(item.categories, pa.string())))
            rows = np.flatnonzero(_ones(pc.and_(strange, column.is_valid())))
            if len(rows):
                found.setdefault("unseen", {})[item.name] = rows
        if (item.minimum is not None or item.maximum is not None) and item.type in ("number", "integer"):
            values = _column(table, item.column).to_numpy(zero_copy_only=False).astype(np.float64)
            low = -np.inf if item.minimum is None else item.minimum
            high = np.inf if item.maximum is None else item.maximum
            rows = np.flatnonzero((values < low) | (values > high))
            if len(rows):
                found.setdefault("out_of_range", {})[item.name] = rows
    return found


def key_of(cell: Cell) -> tuple[Any, ...]:
    """What makes a cell the same cell."""
    return tuple(cell[name] for name in KEY)


def merge_cells(parts: Iterable[Iterable[Cell]]) -> list[Cell]:
    """One cell per key with the counts of all."""
    found: dict[tuple[Any, ...], list[Cell]] = {}
    for cells in parts:
        for cell in cells:
            found.setdefault(key_of(cell), []).append(cell)
    return [cells[0] if len(cells) == 1 else add_cells(cells) for cells in found.values()]


def add_cells(cells: Sequence[Cell]) -> Cell:
    """The sum of cells of one key."""
    made = dict(cells[0])
    for name in SUMS:
        made[name] = sum(cell[name] for cell in cells)
    made["latency"] = histogram.merge(cell["latency"] for cell in cells)
    made["numbers"] = numbers.merge(cell["numbers"] for cell in cells)
    counts: dict[str, dict[str, int]] = {}
    for cell in cells:
        for name, inner in cell["counts"].items():
            into = counts.setdefault(name, {})
            for key, n in inner.items():
                key = key if key in into or len(into) < MAX_KEYS else OTHER
                into[key] = into.get(key, 0) + n
    made["counts"] = counts
    return made


def _column(table: pa.Table, name: str) -> pa.Array:
    column = table.column(name)
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _ones(mask: pa.Array | pa.ChunkedArray) -> Reals:
    return np.asarray(pc.fill_null(mask, False).to_numpy(zero_copy_only=False), dtype=np.float64)


def _numbers(table: pa.Table, name: str) -> Reals:
    filled = pc.fill_null(_column(table, name), 0)
    return np.asarray(filled.to_numpy(zero_copy_only=False), dtype=np.float64)


def _codes(column: pa.Array | pa.ChunkedArray) -> tuple[Ints, list[str]]:
    flat = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    encoded = pc.dictionary_encode(pc.fill_null(flat, ""))
    return encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64), encoded.dictionary.to_pylist()


def _capped(codes: Ints, names: list[str], limit: int = MAX_KEYS) -> tuple[Ints, list[str]]:
    if len(names) <= limit:
        return codes, names
    order = np.argsort(-np.bincount(codes, minlength=len(names)), kind="stable")
    place = np.full(len(names), limit - 1)
    place[order[: limit - 1]] = np.arange(limit - 1)
    return place[codes], [*(names[code] for code in order[: limit - 1].tolist()), OTHER]


def _compact(key: Ints) -> tuple[Ints, Ints]:
    encoded = pc.dictionary_encode(pa.array(key))
    return encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64), encoded.dictionary.to_numpy()


def _count(cell: Ints, code: Ints, names: list[str]) -> Triples:
    return _add_up(cell, code, None, names)


def _add_up(cell: Ints, code: Ints, n: Ints | None, names: list[str]) -> Triples:
    """The sum of `n` (or how many) for each pair of cell and code."""
    if not len(cell):
        return Triples(cell, code, np.zeros(0, dtype=np.int64), names)
    low = int(code.min())
    span = int(code.max()) - low + 1
    key = cell * span + (code - low)
    size = (int(cell.max()) + 1) * span
    if size <= _DENSE:  # an array of all pairs is counted five times as fast as pairs are sorted or hashed
        counted = np.bincount(key, weights=n, minlength=size)
        unique = np.flatnonzero(counted)
        summed = counted[unique]
    else:
        unique, inverse = np.unique(key, return_inverse=True)
        summed = np.bincount(inverse, weights=n, minlength=len(unique))
    cells, codes = np.divmod(unique, span)
    return Triples(cells, codes + low, np.rint(summed).astype(np.int64), names)


def _join_counts(cell: Ints, rows_by_name: dict[str, Ints]) -> Triples:
    """Counts per cell of several named sets of rows; the names are the codes."""
    names = list(rows_by_name)
    cells = np.concatenate([cell[rows] for rows in rows_by_name.values()])
    codes = np.repeat(np.arange(len(names)), [len(rows) for rows in rows_by_name.values()])
    return _count(cells, codes, names)


def _regroup_triples(triples: Triples, cell: Ints) -> Triples:
    return _add_up(cell[triples.cell], triples.code, triples.n, triples.names)


def _split(triples: Triples, n_cells: int) -> list[tuple[Ints, Ints]]:
    order = np.lexsort((triples.code, triples.cell))
    cell, code, n = triples.cell[order], triples.code[order], triples.n[order]
    ends = np.searchsorted(cell, np.arange(n_cells + 1))
    return [(code[low:high], n[low:high]) for low, high in zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True)]
