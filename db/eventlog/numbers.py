"""Numbers of events beside their latency, as roll-ups keep them: score, entropy of the scores, metrics, measures of
media and lengths of text. Per name: how many, their sum, a signed histogram. For db.eventlog.rollup and the charts.

A value x with |x| >= 1e-9 falls into bucket sign(x) (ceil(log|x| / log(GAMMA)) + OFFSET); its estimate is off by at
most 1 % of x, as for latencies (db.eventlog.histogram). Beyond 1e120 all values share the last bucket.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pj

from db.eventlog.histogram import GAMMA, bucket_of
from db.eventlog.schema import MEDIA_PREFIX, InputField

Ints = npt.NDArray[np.int64]
Reals = npt.NDArray[np.float64]

#: The bucket of 1e-9 is -1036: with the offset every magnitude is above zero.
OFFSET = 1100
LAST = 15_000
#: Free-text inputs whose length is kept; a model may have hundreds of inputs.
MAX_TEXTS = 20
#: Above this many labels in `scores` their entropy is computed row by row.
_MAX_COLUMNS = 300
_decoder = msgspec.msgpack.Decoder(dict[str, tuple[int, float, bytes]])


@dataclass(frozen=True, slots=True)
class Signal:
    """The values of one number: `rows` are the places of the events that carry it."""

    rows: Ints
    values: Reals

    @property
    def buckets(self) -> Ints:
        return signed_bucket_of(self.values)


@dataclass(frozen=True, slots=True)
class Kept:
    """One number of one cell: n, sum, and the histogram's buckets with their counts."""

    n: int
    total: float
    histogram: bytes


def signed_bucket_of(values: Reals) -> Ints:
    """The bucket of each finite value, negative for values below zero, 0 for those too small to matter.

    >>> signed_bucket_of(np.array([1.0, -1.0, 0.0])).tolist()
    [1100, -1100, 0]
    """
    size = np.abs(values)
    magnitude = np.minimum(bucket_of(size) + OFFSET, LAST)
    return np.where(size < 1e-9, 0, np.where(values < 0, -magnitude, magnitude)).astype(np.int64)


def value_of(buckets: Ints) -> Reals:
    """The estimate for each signed bucket."""
    places = np.asarray(buckets, dtype=float)
    size = 2 * np.exp((np.abs(places) - OFFSET) * np.log(GAMMA)) / (GAMMA + 1)
    return np.where(places == 0, 0.0, np.sign(places) * size)


def signals_of(table: pa.Table, inputs: Iterable[InputField] = ()) -> dict[str, Signal]:
    """Every number of stored events by its name: "score", "entropy", "metric:<name>", "media:<name>", "length:<field>".

    Infinite and undefined values are left out; the door refuses them anyway.
    """
    found: dict[str, Signal] = {}
    for name in table.schema.names:
        if name == "score":
            _put(found, "score", _flat(table, name))
        elif name.startswith("metric_"):
            _put(found, "metric:" + name.removeprefix("metric_"), _flat(table, name))
        elif name.startswith(MEDIA_PREFIX):
            _put(found, "media:" + name.removeprefix(MEDIA_PREFIX), _flat(table, name))
    texts = [item for item in inputs if item.type == "string" and not item.categories][:MAX_TEXTS]
    for item in texts:
        if table.schema.get_field_index(item.column) >= 0:
            _put(found, "length:" + item.name, pc.cast(pc.utf8_length(_flat(table, item.column)), pa.float64()))
    if table.schema.get_field_index("scores") >= 0:
        _put(found, "entropy", entropies(_flat(table, "scores")))
    return found


def entropies(scores: pa.Array) -> pa.Array:
    """Shannon entropy in nats of each distribution given as JSON {label: weight}; null where there is none.

    Weights are normalised to one; a distribution without a positive weight has no entropy.
    """
    if scores.null_count == len(scores):
        return pa.nulls(len(scores), pa.float64())
    weights = _weights(scores.drop_null())
    total = weights.sum(axis=1)
    shares = np.divide(weights, total[:, None], out=np.zeros_like(weights), where=total[:, None] > 0)
    found = -(shares * np.log(np.where(shares > 0, shares, 1.0))).sum(axis=1)
    made = np.full(len(scores), np.nan)
    made[scores.is_valid().to_numpy(zero_copy_only=False)] = np.where(total > 0, found + 0.0, np.nan)
    return pa.array(made, from_pandas=True)


def _weights(texts: pa.Array) -> Reals:
    """Rows x labels; what is no number or below zero counts as zero."""
    body = "\n".join(texts.to_pylist()).encode()
    try:
        table = pj.read_json(pa.BufferReader(body), read_options=pj.ReadOptions(block_size=len(body) + 1))
        columns = [column for column in table.columns if column.type in (pa.int64(), pa.float64())]
        if table.num_rows == len(texts) and len(columns) == table.num_columns <= _MAX_COLUMNS and columns:
            grid = [pc.fill_null(pc.cast(column, pa.float64()), 0.0).to_numpy() for column in columns]
            stacked: Reals = np.maximum(np.stack(grid, axis=1), 0.0)
            return stacked
    except pa.ArrowInvalid:
        pass
    rows = [[float(value) for value in _members(text) if isinstance(value, int | float)] for text in texts.to_pylist()]
    made = np.zeros((len(rows), max(map(len, rows), default=0) or 1))
    for place, row in enumerate(rows):
        made[place, : len(row)] = row
    return np.maximum(made, 0.0)


def _members(text: str) -> Iterable[Any]:
    parsed = orjson.loads(text)
    return parsed.values() if isinstance(parsed, dict) else ()


def encode(numbers: Mapping[str, Kept]) -> bytes:
    """One cell's numbers as bytes; empty when there are none."""
    if not numbers:
        return b""
    return msgspec.msgpack.encode({name: (kept.n, kept.total, kept.histogram) for name, kept in numbers.items()})


def decode(blob: bytes) -> dict[str, Kept]:
    """The inverse of `encode`."""
    return {name: Kept(*parts) for name, parts in _decoder.decode(blob).items()} if blob else {}


def encode_histogram(buckets: Ints, counts: Ints) -> bytes:
    """int16 signed buckets, ascending, then uint32 counts, little-endian."""
    capped = np.minimum(counts, 2**32 - 1)
    return bytes(buckets.astype("<i2").tobytes() + capped.astype("<u4").tobytes())


def decode_histogram(blob: bytes) -> tuple[Ints, Ints]:
    """The inverse of `encode_histogram`."""
    n = len(blob) // 6
    buckets = np.frombuffer(blob, dtype="<i2", count=n).astype(np.int64)
    return buckets, np.frombuffer(blob, dtype="<u4", count=n, offset=2 * n).astype(np.int64)


def merge(blobs: Iterable[bytes]) -> bytes:
    """One cell's numbers out of several: counts, sums and histograms add up."""
    filled = [blob for blob in blobs if blob]
    if len(filled) < 2:
        return filled[0] if filled else b""
    parts: dict[str, list[Kept]] = {}
    for blob in filled:
        for name, kept in decode(blob).items():
            parts.setdefault(name, []).append(kept)
    return encode({name: kept[0] if len(kept) == 1 else _add(kept) for name, kept in parts.items()})


def _add(kept: list[Kept]) -> Kept:
    pairs = [decode_histogram(one.histogram) for one in kept]
    buckets, inverse = np.unique(np.concatenate([pair[0] for pair in pairs]), return_inverse=True)
    counts = np.bincount(inverse, weights=np.concatenate([pair[1] for pair in pairs])).astype(np.int64)
    return Kept(sum(one.n for one in kept), sum(one.total for one in kept), encode_histogram(buckets, counts))


def _flat(table: pa.Table, name: str) -> pa.Array:
    column = table.column(name)
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _put(found: dict[str, Signal], name: str, column: pa.Array) -> None:
    if column.null_count == len(column):
        return
    rows = np.flatnonzero(column.is_valid().to_numpy(zero_copy_only=False))
    values = np.asarray(column.drop_null().to_numpy(zero_copy_only=False), dtype=np.float64)
    finite = np.isfinite(values)
    if finite.any():
        found[name] = Signal(rows[finite], values[finite])
