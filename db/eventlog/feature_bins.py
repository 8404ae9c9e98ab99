"""The bins of one feature, frozen from a reference: quantile edges or known categories, and which bin a value is in.

Pure. Used where references are made, at seal and for the hot tail, so that one rule counts everything.
"""

from __future__ import annotations

import itertools
import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from db.eventlog.edge_search import EdgeSearch

Ints = npt.NDArray[np.int64]
Reals = npt.NDArray[np.float64]
Kind = Literal["number", "category"]

#: Up to this many different numbers each is an edge of its own, so that what is computed from bins is exact.
MAX_DISCRETE = 100
#: Up to this many different numbers each is a coarse bin of its own.
MAX_COARSE_VALUES = 12
N_COARSE = 10
#: Fine edges: every half percent, which keeps Kolmogorov-Smirnov distances of 0.04 within 1 %, and further out what
#: the distance in units (Wasserstein) needs.
_TAIL = np.array([0.0001, 0.0005, 0.001, 0.0025])
_QUANTILES = np.concatenate([_TAIL, np.arange(1, 200) / 200, 1 - _TAIL[::-1]])
#: A quantile is used when at least this many rows lie beyond it: fewer wild values can then move no edge.
_MIN_BEYOND = 5
#: Edges beyond the quantiles, in robust sigma from the median, for values that the reference did not have.
_OUTER = np.array([2, 2.5, 3, 3.5, 4, 4.5, 5, 5.5, 6, 7, 8, 10, 12, 16], dtype=np.float64)
#: Listed categories, and further ones that are known without a bin of their own.
MAX_CATEGORIES = 100
MAX_KNOWN = 10_000
#: A column whose later rows are expected to have a larger share of unknown values has no "new category".
MAX_ONE_OFF = 0.005
#: How much the roots of two counts differ that are not alike: the root of a count has a standard deviation of 1/2.
_CLEAR = 1.5


@dataclass(frozen=True)
class FeatureBins:
    """Bins of a stored column. Numbers: len(edges) + 1 bins (lower, upper], the outer ones open, then null.

    Categories: one bin each, then "other" (known, not listed), "unseen" (not in two rows of the reference or more)
    and null. `steps` are the intervals between edges whose values all lie on the upper edge; `groups` the first fine
    bins of the coarse ones; `counts` the reference's own; `note` says what is odd: all_null, constant, infinite.
    `scale` is IQR / 1.349, and distances in units are taken inside `reach`, beyond which lie a handful of wild values.
    """

    column: str
    kind: Kind
    edges: Reals = field(default_factory=lambda: np.zeros(0))
    steps: tuple[int, int] = (0, 0)
    scale: float | None = None
    reach: tuple[float, float] | None = None
    categories: tuple[str, ...] = ()
    known: tuple[str, ...] = ()
    groups: tuple[int, ...] = ()
    counts: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    note: str = ""

    @property
    def n_bins(self) -> int:
        return (len(self.edges) + 2) if self.kind == "number" else (len(self.categories) + 3)

    @property
    def null_bin(self) -> int:
        return self.n_bins - 1

    @property
    def unseen_bin(self) -> int | None:
        return len(self.categories) + 1 if self.kind == "category" else None

    def codes(self, column: pa.Array | pa.ChunkedArray) -> Ints:
        """The bin of every value; null and NaN are in the null bin, infinities in the outer ones."""
        return self._codes_of_numbers(column) if self.kind == "number" else self._codes_of_texts(column)

    def _codes_of_numbers(self, column: pa.Array | pa.ChunkedArray) -> Ints:
        return self._search.find(as_numbers(column))

    @cached_property
    def _search(self) -> EdgeSearch:
        """The search, sharpest where 98 % of the reference lie."""
        if not len(self.edges):
            return EdgeSearch(self.edges, 0.0, 0.0)
        values = self.counts[:-1]
        upto = np.cumsum(values)[:-1] / max(1, int(values.sum())) if len(values) else np.zeros(len(self.edges))
        inner = self.edges[(upto >= 0.01) & (upto <= 0.99)]
        return EdgeSearch(self.edges, *((inner[0], inner[-1]) if len(inner) else (0.0, 0.0)))

    def _codes_of_texts(self, column: pa.Array | pa.ChunkedArray) -> Ints:
        indices, values = encode_texts(column)
        n = len(self.categories)
        found = pc.index_in(values, value_set=pa.array(self.categories, pa.string())).fill_null(-1)
        place = found.to_numpy(zero_copy_only=False).astype(np.int64)
        if self.known:
            is_known = pc.is_in(values, value_set=pa.array(self.known, pa.string())).to_numpy(zero_copy_only=False)
            place = np.where((place < 0) & is_known, n, place)
        table = np.append(np.where(place < 0, n + 1, place), n + 2)  # null is the last entry
        return table[indices]

    def count(self, column: pa.Array | pa.ChunkedArray) -> Ints:
        """How many values fall into each bin."""
        return np.bincount(self.codes(column), minlength=self.n_bins)

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values; floats keep all their digits."""
        return {
            "column": self.column,
            "kind": self.kind,
            "edges": self.edges.tolist(),
            "steps": list(self.steps),
            "scale": self.scale,
            "reach": self.reach,
            "categories": list(self.categories),
            "known": list(self.known),
            "groups": list(self.groups),
            "counts": self.counts.tolist(),
            "note": self.note,
        }


def from_dict(stored: dict[str, Any]) -> FeatureBins:
    """The inverse of `to_dict`."""
    lists = {name: tuple(stored[name]) for name in ("steps", "categories", "known", "groups")}
    return FeatureBins(
        column=stored["column"],
        kind=stored["kind"],
        edges=np.array(stored["edges"], dtype=np.float64),
        scale=stored["scale"],
        reach=tuple(stored["reach"]) if stored["reach"] else None,
        counts=np.array(stored["counts"], dtype=np.int64),
        note=stored["note"],
        **lists,
    )


def is_watchable(column: str, kind: pa.DataType) -> bool:
    """Whether a stored column is a feature: inputs, metrics, media measures, the score and the answer.

    Times are not: they always move on.
    """
    if column in ("score", "prediction", "prediction_number"):
        return True
    return column.startswith(("in_", "metric_", "media_")) and kind_of(kind) is not None


def kind_of(kind: pa.DataType) -> Kind | None:
    """How a column of this type is binned; None when it is not."""
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return "number"
    if pa.types.is_boolean(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return "category"
    return None


def make_bins(column: str, values: pa.Array | pa.ChunkedArray) -> FeatureBins:
    """The bins of a reference's column, with the reference's own counts in them."""
    bins = _number_bins(column, values) if kind_of(values.type) == "number" else _category_bins(column, values)
    counts = bins.count(values)
    groups = _number_groups(bins, counts) if bins.kind == "number" else bins.groups
    note = bins.note or ("all_null" if counts[:-1].sum() == 0 else "")
    return replace(bins, counts=counts, groups=groups, note=note)


def as_numbers(column: pa.Array | pa.ChunkedArray) -> Reals:
    """A numeric column as float64, null as NaN."""
    flat = _flat(column)
    if flat.type != pa.float64():
        flat = pc.cast(flat, pa.float64(), safe=False)
    return np.asarray(flat.to_numpy(zero_copy_only=False), dtype=np.float64)


def encode_texts(column: pa.Array | pa.ChunkedArray) -> tuple[Ints, pa.Array]:
    """Codes into the different values of a column; null has the code len(values)."""
    flat = _flat(column)
    if not pa.types.is_string(flat.type):
        flat = pc.cast(flat, pa.string())
    encoded = pc.dictionary_encode(flat)
    values = encoded.dictionary
    return encoded.indices.fill_null(len(values)).to_numpy(zero_copy_only=False).astype(np.int64), values


def _flat(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    if not isinstance(column, pa.ChunkedArray):
        return column
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _number_bins(column: str, values: pa.Array | pa.ChunkedArray) -> FeatureBins:
    numbers = as_numbers(values)
    present = numbers[~np.isnan(numbers)]
    ordered = np.sort(present[np.isfinite(present)])
    note = "infinite" if len(ordered) < len(present) else ""
    if not len(ordered):
        largest = np.finfo(np.float64).max
        edges = np.array([-largest, largest]) if len(present) else np.zeros(0)
        return FeatureBins(column, "number", edges=edges, note=note)
    scale = _robust_scale(ordered)
    distinct = _distinct(ordered)
    if distinct is not None:
        inner = np.concatenate([[np.nextafter(distinct[0], -np.inf)], distinct])
        note = note or ("constant" if len(distinct) == 1 else "")
    else:
        inner = _quantile_edges(ordered)
    outer = _outer_edges(ordered, scale, is_discrete=distinct is not None)
    edges = np.unique(np.concatenate([inner, outer]))
    steps = (0, 0)
    if distinct is not None:
        first = int(np.searchsorted(edges, inner[0]))
        steps = (first, first + len(distinct))
    return FeatureBins(column, "number", edges=edges, steps=steps, scale=scale, reach=_reach(ordered, scale), note=note)


def _reach(ordered: Reals, scale: float | None) -> tuple[float, float] | None:
    """Where the reference lies but for a handful of rows, and sixteen robust sigma around its median."""
    if scale is None:
        return None
    n, half = len(ordered), float(_OUTER[-1]) * scale
    middle, beyond = float(ordered[n // 2]), min(_MIN_BEYOND, n // 2)
    low, high = min(middle - half, float(ordered[beyond])), max(middle + half, float(ordered[n - 1 - beyond]))
    return (low, high) if np.isfinite(low) and np.isfinite(high) else None


def _distinct(ordered: Reals) -> Reals | None:
    """The different values, None when there are too many."""
    is_first = np.append(True, ordered[1:] != ordered[:-1])
    return ordered[is_first] if is_first.sum() <= MAX_DISCRETE else None


def _quantile_edges(ordered: Reals) -> Reals:
    """Quantiles that are values of the reference; a value that fills a whole step gets a bin of its own."""
    n = len(ordered)
    usable = _QUANTILES[np.minimum(_QUANTILES, 1 - _QUANTILES) * n >= _MIN_BEYOND]
    if not len(usable):
        usable = np.array([0.25, 0.5, 0.75])
    chosen = ordered[np.maximum(np.ceil(usable * n).astype(int) - 1, 0)]
    atoms = chosen[1:][chosen[1:] == chosen[:-1]]
    lowest = np.nextafter(ordered[0], -np.inf)
    return np.unique(np.concatenate([chosen, np.nextafter(atoms, -np.inf), [lowest]]))


def _outer_edges(ordered: Reals, scale: float | None, *, is_discrete: bool) -> Reals:
    """Edges where the reference has next to nothing."""
    if scale is None:
        return np.zeros(0)
    n = len(ordered)
    middle, beyond = ordered[n // 2], 0 if is_discrete else min(_MIN_BEYOND, n // 2)
    low, high = ordered[beyond], ordered[n - 1 - beyond]
    with np.errstate(over="ignore"):  # edges beyond the largest number are left out below
        edges = np.concatenate([middle - _OUTER[::-1] * scale, middle + _OUTER * scale])
    if scale < 1e9 and bool((ordered == np.round(ordered)).all()):
        edges = np.floor(edges) + 0.5  # whole numbers then lie around the middle of their bin
    return np.asarray(edges[np.isfinite(edges) & ((edges < low) | (edges > high))])


def _robust_scale(ordered: Reals) -> float | None:
    """IQR / 1.349; where half of all values are the same, what the wider quantiles say; None for a constant."""
    n = len(ordered)
    for q, width in ((0.25, 1.349), (0.1, 2.563), (0.05, 3.290), (0.01, 4.653)):
        low, high = float(ordered[int(q * (n - 1))]), float(ordered[int(np.ceil((1 - q) * (n - 1)))])
        if high > low and math.isfinite(high - low):
            return (high - low) / width
    return None


def _number_groups(bins: FeatureBins, counts: Ints) -> tuple[int, ...]:
    """First fine bins of the coarse bins: about ten with equal shares of the reference, then null."""
    values = counts[:-1]
    last = len(values)  # the null bin
    if bins.steps != (0, 0) and bins.steps[1] - bins.steps[0] <= MAX_COARSE_VALUES:
        return (*([0] if bins.steps[0] + 1 > 0 else []), *range(bins.steps[0] + 1, bins.steps[1] + 2), last)
    total = int(values.sum())
    if total == 0 or last == 1:
        return (0, last)
    if bins.scale is None:
        return tuple(range(bins.n_bins))
    upto = np.cumsum(values)[:-1] / total  # the share at or below each edge
    cuts = {_nearest(upto, place / N_COARSE) + 1 for place in range(1, N_COARSE)}
    return (0, *sorted(cuts), last)


def _category_groups(bins: FeatureBins, is_open: bool) -> tuple[int, ...]:
    """Every category by itself; "other" and "unseen" together where new values keep coming."""
    places = range(bins.n_bins)
    return tuple(place for place in places if not (is_open and place == bins.unseen_bin))


def _nearest(upto: Reals, wanted: float) -> int:
    """The edge whose share is nearest; never one with nothing on one side while there is another."""
    gap = np.abs(upto - wanted) + np.where((upto <= 0) | (upto >= 1), 1.0, 0.0)
    return int(np.argmin(gap))


def _category_bins(column: str, values: pa.Array | pa.ChunkedArray) -> FeatureBins:
    indices, texts = encode_texts(values)
    counts = np.bincount(indices, minlength=len(texts) + 1)[: len(texts)]
    names = texts.to_pylist()
    order = np.lexsort((np.arange(len(texts)), -counts))
    repeated = [place for place in order.tolist() if counts[place] >= 2]
    is_open = _is_open(counts, len(values))
    listed = _listed(repeated, counts, names, is_open=is_open)
    taken = set(listed)
    bins = FeatureBins(
        column,
        "category",
        categories=tuple(names[place] for place in listed),
        known=tuple(names[place] for place in repeated[:MAX_KNOWN] if place not in taken),
        note="constant" if len(texts) == 1 and counts.sum() else "",
    )
    return replace(bins, groups=_category_groups(bins, is_open))


def _is_open(counts: Ints, n_rows: int) -> bool:
    """Whether later rows will bring values that are not known, which is then no drift.

    Unknown is what the reference has not, or has once. By Good and Turing's rule the first are as frequent in later
    rows as values that occur once, the second as values that occur twice, each counted with its rows.
    """
    expected = int((counts == 1).sum()) + 2 * int((counts == 2).sum())
    return expected > MAX_ONE_OFF * max(1, n_rows)


def _listed(repeated: list[int], counts: Ints, names: list[str], *, is_open: bool) -> list[int]:
    """The categories that get a bin of their own, the most frequent first.

    The most frequent of many alike are so by chance, and are rarer in any later window: a bin of their own would be
    drift on clean data. So a category must be clearly more frequent than the first one without a bin, and places that
    are left go to those near that one by a hash of their names, which knows nothing of counts.
    """
    if len(repeated) > MAX_CATEGORIES:
        cut = float(counts[repeated[MAX_CATEGORIES]])
    elif is_open:
        cut = 1.0
    else:
        return repeated
    root = math.sqrt(cut)
    above = [place for place in repeated if math.sqrt(counts[place]) > root + _CLEAR]
    if (lowest := (root - _CLEAR) * abs(root - _CLEAR)) < 2:
        return above  # those that are alike are not all known
    near = [place for place in repeated[len(above) :] if counts[place] >= lowest]
    near = sorted(near, key=lambda place: zlib.crc32(names[place].encode()))[: MAX_CATEGORIES - len(above)]
    return above + sorted(near, key=lambda place: -counts[place])


def bin_labels(bins: FeatureBins) -> Iterator[tuple[str, float | None, float | None]]:
    """(text, lower, upper) of every fine bin: a category's name, "other", "unseen", "null", or a range."""
    if bins.kind == "category":
        for name in (*bins.categories, "other", "unseen", "null"):
            yield name, None, None
        return
    bounds = [None, *bins.edges.tolist(), None]
    for lower, upper in itertools.pairwise(bounds):
        yield "", lower, upper
    yield "null", None, None
