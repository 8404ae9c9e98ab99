"""Roll-up cells summed into the buckets and series of one chart. Measures read their ingredients from here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa

from db.analytics.windows import Window

Grid = npt.NDArray[np.float64]
Histogram = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]


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
        return merge_histogram(*self.latencies(decode))

    def latencies(self, decode: Callable[[bytes], tuple[Any, Any]]) -> Histogram:
        """The same as the cells hold it: in no order, and an entry may occur again."""
        filled = [(at, blob) for at, blob in zip(self.position, self.table["latency"].to_pylist(), strict=True) if blob]
        if not filled:
            empty = np.zeros(0, dtype=np.int64)
            return empty, empty, empty
        decoded = [decode(blob) for _, blob in filled]
        lengths = [len(bucket) for bucket, _ in decoded]
        position = np.repeat(np.array([at for at, _ in filled], dtype=np.int64), lengths)
        return position, np.concatenate([one for one, _ in decoded]), np.concatenate([one for _, one in decoded])

    def _sum(self, position: npt.NDArray[np.int64], weights: Grid) -> Grid:
        size = len(self.series) * self.n_buckets
        return np.bincount(position, weights=weights, minlength=size).reshape(self.shape).astype(float)


def merge_histogram(position: Any, bucket: Any, count: Any) -> Histogram:
    """Sorted and summed triples; log buckets may be negative."""
    position, bucket = np.asarray(position, dtype=np.int64), np.asarray(bucket, dtype=np.int64)
    key = (position << 32) + (bucket + 2**31)
    unique, inverse = np.unique(key, return_inverse=True)
    summed = np.bincount(inverse, weights=np.asarray(count, dtype=float)).astype(np.int64)
    return unique >> 32, (unique & 0xFFFFFFFF) - 2**31, summed


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
