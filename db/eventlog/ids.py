"""Event identifiers in bulk: making UUIDv7 texts, hashing ids, and reading the time inside UUIDv7 ids."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import xxhash

Hashes = npt.NDArray[np.uint64]

_HEX = np.array([f"{value:02x}".encode() for value in range(256)], dtype="S2").view(np.uint8).reshape(256, 2)
_TEXT_PLACES = np.array([place for place in range(36) if place not in (8, 13, 18, 23)])
_VALUES = np.zeros(256, dtype=np.int64)
for _digit, _char in enumerate(b"0123456789abcdef"):
    _VALUES[_char] = _digit
for _digit, _char in enumerate(b"ABCDEF"):
    _VALUES[_char] = 10 + _digit


def make_ids(n: int) -> pa.Array:
    """`n` new UUIDv7 texts, ascending."""
    raw = np.frombuffer(bytearray(os.urandom(16 * n)), dtype=np.uint8).reshape(n, 16)
    ms = time.time_ns() // 1_000_000
    raw[:, :6] = np.frombuffer(ms.to_bytes(6, "big"), dtype=np.uint8)
    order = np.arange(n, dtype=np.uint64)
    raw[:, 6] = 0x70 | ((order >> 16) & 0x0F).astype(np.uint8)
    raw[:, 7] = ((order >> 8) & 0xFF).astype(np.uint8)
    raw[:, 8] = 0x80 | ((order >> 2) & 0x3F).astype(np.uint8)
    raw[:, 9] = (raw[:, 9] & 0x3F) | ((order & 0x03) << 6).astype(np.uint8)
    text = np.full((n, 36), ord("-"), dtype=np.uint8)
    text[:, _TEXT_PLACES] = _HEX[raw].reshape(n, 32)
    offsets = np.arange(0, 36 * (n + 1), 36, dtype=np.int32)
    return pa.StringArray.from_buffers(n, pa.py_buffer(offsets), pa.py_buffer(text))


def hash_ids(ids: Iterable[str] | pa.Array) -> Hashes:
    """The 64-bit xxh3 hash of each id, in order."""
    digest = xxhash.xxh3_64_intdigest
    if isinstance(ids, pa.Array):
        return np.array([digest(text) for text in ids.cast(pa.binary()).to_pylist()], dtype=np.uint64)
    return np.array([digest(text.encode()) for text in ids], dtype=np.uint64)


def uuid7_times(ids: pa.Array) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.int64]]:
    """Which ids are UUIDv7 texts, and the milliseconds since 1970 inside them (0 elsewhere)."""
    n = len(ids)
    is_timed = np.zeros(n, dtype=bool)
    times = np.zeros(n, dtype=np.int64)
    if n == 0:
        return is_timed, times
    offsets = np.frombuffer(ids.buffers()[1], dtype=np.int32)[ids.offset : ids.offset + n + 1]
    data_buffer = ids.buffers()[2]
    if data_buffer is None:
        return is_timed, times
    data = np.frombuffer(data_buffer, dtype=np.uint8)
    starts = offsets[:-1][np.diff(offsets) == 36].astype(np.int64)
    rows = np.flatnonzero(np.diff(offsets) == 36)
    if len(rows) == 0:
        return is_timed, times
    seen = (data[starts + 14] == ord("7")) & (data[starts + 8] == ord("-")) & (data[starts + 13] == ord("-"))
    rows, starts = rows[seen], starts[seen]
    value = np.zeros(len(rows), dtype=np.int64)
    for place in (0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12):
        value = (value << 4) | _VALUES[data[starts + place]]
    is_timed[rows], times[rows] = True, value
    return is_timed, times


def sorted_contains(hay: Hashes, needles: Hashes) -> npt.NDArray[np.bool_]:
    """Which needles occur in a sorted array."""
    if len(hay) == 0:
        return np.zeros(len(needles), dtype=bool)
    place = np.searchsorted(hay, needles)
    place[place == len(hay)] = len(hay) - 1
    return np.asarray(hay[place] == needles)
