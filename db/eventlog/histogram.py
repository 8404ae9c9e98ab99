"""Latency histograms with logarithmic buckets: additive, sparse, and exact to one per cent of the value.

A value x > 0 falls into bucket ceil(log(x) / log(GAMMA)); its estimate is 2 GAMMA^i / (GAMMA + 1), which is off by at
most (GAMMA - 1) / (GAMMA + 1) = 1 %. (DDSketch, VLDB 2019.)
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

RELATIVE_ERROR = 0.01
GAMMA = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR)
_LOG_GAMMA = math.log(GAMMA)
#: Values that are zero or too small to matter share this bucket, whose estimate is 0.
ZERO_BUCKET = -32_768
_SMALLEST = 1e-9

Buckets = npt.NDArray[np.int64]
Counts = npt.NDArray[np.int64]


def bucket_of(values: npt.NDArray[np.float64]) -> Buckets:
    """The bucket of each value (not below zero, finite)."""
    is_zero = values < _SMALLEST
    safe = np.where(is_zero, 1.0, values)
    buckets = np.ceil(np.log(safe) / _LOG_GAMMA).astype(np.int64)
    return np.where(is_zero, ZERO_BUCKET, buckets)


def value_of(buckets: npt.NDArray[np.signedinteger[Any]]) -> npt.NDArray[np.float64]:
    """The estimate for each bucket.

    >>> round(float(value_of(bucket_of(np.array([100.0])))[0]), 0)
    100.0
    """
    estimate = 2 * np.exp(np.asarray(buckets, dtype=float) * _LOG_GAMMA) / (GAMMA + 1)
    return np.where(np.asarray(buckets) == ZERO_BUCKET, 0.0, estimate)


def encode(buckets: Buckets, counts: Counts) -> bytes:
    """int16 buckets, ascending, then uint32 counts, little-endian."""
    order = np.argsort(buckets, kind="stable")
    capped = np.minimum(counts[order], 2**32 - 1)
    return buckets[order].astype("<i2").tobytes() + capped.astype("<u4").tobytes()


def decode(blob: bytes) -> tuple[Buckets, Counts]:
    """The inverse of `encode`."""
    n = len(blob) // 6
    buckets = np.frombuffer(blob, dtype="<i2", count=n).astype(np.int64)
    counts = np.frombuffer(blob, dtype="<u4", count=n, offset=2 * n).astype(np.int64)
    return buckets, counts


def merge(blobs: Iterable[bytes]) -> bytes:
    """One histogram with the counts of all."""
    filled = [decode(blob) for blob in blobs if blob]
    if not filled:
        return b""
    buckets = np.concatenate([pair[0] for pair in filled])
    counts = np.concatenate([pair[1] for pair in filled])
    unique, inverse = np.unique(buckets, return_inverse=True)
    return encode(unique, np.bincount(inverse, weights=counts).astype(np.int64))


def quantile(buckets: Buckets, counts: Counts, q: float) -> float | None:
    """The q-quantile (0..1) of a histogram, None when it is empty."""
    total = int(counts.sum())
    if total == 0:
        return None
    order = np.argsort(buckets, kind="stable")
    rank = np.searchsorted(np.cumsum(counts[order]), q * (total - 1), side="right")
    return float(value_of(buckets[order][min(int(rank), len(order) - 1)]))
