"""Roll-up cells summed into the buckets and series of one chart. Measures read their ingredients from here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from operator import itemgetter
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa

from db.analytics.windows import Window
from db.eventlog import numbers

Grid = npt.NDArray[np.float64]
Histogram = tuple[npt.NDArray[np.integer[Any]], npt.NDArray[np.integer[Any]], npt.NDArray[np.int64]]
#: A histogram at one position: (position, log buckets, counts).
Part = tuple[int, Any, Any]
#: Entries of latency histograms that are merged at once: some hundred cells.
_MERGE_ENTRIES = 32_768


@dataclass(frozen=True)
class Cells:
    """Cells of one window. `position` is series x n_buckets + bucket of each cell; `table` holds their columns."""

    table: pa.Table
    series: tuple[str, ...]
    n_buckets: int
    position: npt.NDArray[np.int64]

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.series), self.n_buckets

    def total(self, column: str) -> Grid:
        """Sum of a count column per series and bucket."""
        return self._sum(self.position, _numbers(self.table[column]))

    def maps(self, name: str) -> dict[str, Grid]:
        """One grid per key of a small map inside `counts`, e.g. per label; keys by falling total."""
        found: dict[str, tuple[list[int], list[float]]] = {}
        for position, counts in zip(self.position.tolist(), self.table["counts"].to_pylist(), strict=True):
            for key, value in _submap(counts, name):
                places, values = found.setdefault(key, ([], []))
                places.append(position)
                values.append(value)
        grids = {key: self._sum(np.array(at, dtype=np.int64), np.array(n)) for key, (at, n) in found.items()}
        return dict(sorted(grids.items(), key=lambda item: (-item[1].sum(), item[0])))

    def histogram(self, decode: Callable[[bytes], tuple[Any, Any]]) -> Histogram:
        """Latency counts as (position, log bucket, count), sorted, one entry per position and log bucket."""
        blobs = self.table["latency"].to_pylist()
        return self._merged(
            [(at, *decode(blob)) for at, blob in zip(self.position.tolist(), blobs, strict=True) if blob]
        )

    def number_names(self) -> list[str]:
        """The numbers that some cell holds, in the order of the alphabet."""
        return sorted({name for kept in self._kept for name in kept})

    def number(self, name: str) -> tuple[Grid, Grid, Histogram]:
        """One number: how many, their sum, and their counts as (position, signed bucket, count)."""
        parts = [(at, *numbers.decode_histogram(kept.histogram)) for at, kept in self._found(name)]
        return *self.number_sums(name), self._merged(parts)

    def number_sums(self, name: str) -> tuple[Grid, Grid]:
        """One number: how many and their sum; its histograms stay closed."""
        found = self._found(name)
        position = np.array([at for at, _ in found], dtype=np.int64)
        n = self._sum(position, np.array([kept.n for _, kept in found], dtype=float))
        return n, self._sum(position, np.array([kept.total for _, kept in found], dtype=float))

    def _found(self, name: str) -> list[tuple[int, numbers.Kept]]:
        return [(at, kept[name]) for at, kept in zip(self.position.tolist(), self._kept, strict=True) if name in kept]

    def each(self) -> Iterator[Cells]:
        """The cells of each series alone."""
        for number, name in enumerate(self.series):
            mine = self.position // self._span == number
            position = self.position[mine] - number * self._span
            yield replace(self, table=self.table.filter(pa.array(mine)), series=(name,), position=position)

    @property
    def _span(self) -> int:
        """Positions of one series."""
        return self.n_buckets

    def _merged(self, parts: list[Part]) -> Histogram:
        return merge_histogram(parts)

    @cached_property
    def _kept(self) -> list[dict[str, numbers.Kept]]:
        return [numbers.decode(blob) for blob in self.table["numbers"].to_pylist()]

    def _sum(self, position: npt.NDArray[np.int64], weights: Grid) -> Grid:
        size = len(self.series) * self.n_buckets
        return np.bincount(position, weights=weights, minlength=size).reshape(self.shape).astype(float)


def merge_histogram(parts: Sequence[Part]) -> Histogram:
    """Histograms at positions as (position, log bucket, count): sorted, one entry per position and log bucket.

    Merged a slice of positions at a time: thirty days of two versions are 400,000 entries, and sorting all of them at
    once took 25 MB and more time.
    """
    merged: list[Histogram] = []
    waiting: list[Part] = []
    n_waiting = 0
    for part in sorted(parts, key=itemgetter(0)):
        if n_waiting > _MERGE_ENTRIES and part[0] != waiting[-1][0]:
            merged.append(_merge(waiting))
            waiting, n_waiting = [], 0
        waiting.append(part)
        n_waiting += len(part[1])
    merged.append(_merge(waiting))
    position, bucket, count = (np.concatenate([part[field] for part in merged]) for field in range(3))
    return position, bucket, count


def _merge(parts: Sequence[Part]) -> Histogram:
    """Sorted and summed entries of the histograms at some positions; log buckets may be negative."""
    if not parts:
        empty = np.zeros(0, dtype=np.int32)
        return empty, empty, np.zeros(0, dtype=np.int64)
    at, buckets, counts = zip(*parts, strict=True)
    position = np.repeat(np.array(at, dtype=np.int64), [len(bucket) for bucket in buckets])
    key = (position << 32) + (np.concatenate(buckets) + 2**31)
    unique, inverse = np.unique(key, return_inverse=True)
    summed = np.bincount(inverse, weights=np.concatenate(counts)).astype(np.int64)
    return (unique >> 32).astype(np.int32), ((unique & 0xFFFFFFFF) - 2**31).astype(np.int32), summed


def group_cells(table: pa.Table, window: Window, split: str | None) -> Cells:
    """Place cells in the window's buckets; one series, or one per value of `split` (a column of the cells)."""
    times = _numbers(table["bucket_at"].cast(pa.timestamp("us", tz="UTC")).cast(pa.int64())).astype(np.int64)
    index = window.index_of(times)
    inside = (index >= 0) & (index < window.n_buckets)
    if not inside.all():
        table, index = table.filter(pa.array(inside)), index[inside]
    if split is None:
        return Cells(table, ("",), window.n_buckets, index)
    values: list[Any] = table[split].to_pylist()
    series = tuple(sorted(set(values)))
    code = {value: number for number, value in enumerate(series)}
    codes = np.array([code[value] for value in values], dtype=np.int64)
    return Cells(table, series, window.n_buckets, codes * window.n_buckets + index)


def keep_largest(cells: Cells, n_series: int) -> Cells:
    """The series with most events when there are more than a chart can show."""
    if len(cells.series) <= n_series:
        return cells
    events = cells.total("n_events").sum(axis=1)
    chosen = sorted(np.argsort(-events, kind="stable")[:n_series].tolist())
    new_code = {old: new for new, old in enumerate(chosen)}
    codes, buckets = np.divmod(cells.position, cells.n_buckets)
    kept = np.isin(codes, chosen)
    position = np.array([new_code[code] for code in codes[kept].tolist()], dtype=np.int64) * cells.n_buckets
    names = tuple(cells.series[code] for code in chosen)
    return Cells(cells.table.filter(pa.array(kept)), names, cells.n_buckets, position + buckets[kept])


def _numbers(column: Any) -> Any:
    return column.to_numpy(zero_copy_only=False) if len(column) else np.zeros(0)


def _submap(counts: str | None, name: str) -> Sequence[tuple[str, float]]:
    inner = (orjson.loads(counts) if counts else {}).get(name) or {}
    return [(key, float(value)) for key, value in inner.items()]
