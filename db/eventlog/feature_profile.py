"""A profile: the bins of all features of a model, frozen, and the counting of tables on them. Pure."""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from db.eventlog.feature_bins import FeatureBins, from_dict, is_watchable, kind_of, make_bins
from db.eventlog.schema import ModelSpec

Ints = npt.NDArray[np.int64]
#: Bins of all features together: bounds the memory of counting and the size of a cell.
MAX_BINS = 60_000


@dataclass(frozen=True)
class Profile:
    """Features in a fixed order; the counts of all lie behind one another in one vector of `n_bins`."""

    features: tuple[FeatureBins, ...]

    @cached_property
    def offsets(self) -> Ints:
        """Where each feature's bins begin in the vector; one entry more than features."""
        return np.concatenate([[0], np.cumsum([bins.n_bins for bins in self.features])]).astype(np.int64)

    @property
    def n_bins(self) -> int:
        return int(self.offsets[-1])

    @cached_property
    def columns(self) -> tuple[str, ...]:
        return tuple(bins.column for bins in self.features)

    @cached_property
    def counts(self) -> Ints:
        """The reference's own counts as one vector."""
        parts = [bins.counts for bins in self.features]
        return np.concatenate(parts).astype(np.int64) if parts else np.zeros(0, dtype=np.int64)

    def part(self, vector: Ints, place: int) -> Ints:
        """One feature's counts out of a vector (or out of rows of vectors)."""
        return vector[..., self.offsets[place] : self.offsets[place + 1]]

    def encode(self) -> bytes:
        """As bytes; equal profiles give equal bytes."""
        return zlib.compress(json.dumps([bins.to_dict() for bins in self.features]).encode(), 6)


def decode_profile(blob: bytes) -> Profile:
    """The inverse of `Profile.encode`."""
    return Profile(tuple(from_dict(stored) for stored in json.loads(zlib.decompress(blob))))


def watched_columns(spec: ModelSpec) -> list[str]:
    """The features among a model's stored columns. Of a numeric answer the number counts, else its text."""
    left_out = "prediction" if spec.output_kind == "number" else "prediction_number"
    return [column.name for column in spec.stored if column.name != left_out and is_watchable(column.name, column.type)]


def make_profile(table: pa.Table, columns: Sequence[str]) -> Profile:
    """The profile of a reference's rows over these columns; columns of other types are left out."""
    made = [make_bins(name, table.column(name)) for name in columns if kind_of(table.schema.field(name).type)]
    return Profile(tuple(made))


def count_table(profile: Profile, table: pa.Table, cell: Ints | None = None, n_cells: int = 1) -> Ints:
    """Counts of a table's rows, cells x bins; `cell` is the cell of each row. A column that is absent is null."""
    return count_groups(profile, table, [(cell, n_cells)])[0]


def count_groups(profile: Profile, table: pa.Table, groups: Sequence[tuple[Ints | None, int]]) -> list[Ints]:
    """As `count_table` for several ways to put the rows into cells: the bin of each value is looked up once."""
    found = [np.zeros((n_cells, profile.n_bins), dtype=np.int64) for _, n_cells in groups]
    for place, bins in enumerate(profile.features):
        begin, end = int(profile.offsets[place]), int(profile.offsets[place + 1])
        if table.schema.get_field_index(bins.column) < 0:
            codes = np.full(table.num_rows, bins.null_bin, dtype=np.int64)
        else:
            codes = _codes(bins, table.column(bins.column))
        for counts, (cell, n_cells) in zip(found, groups, strict=True):
            placed = codes if cell is None or n_cells == 1 else codes + cell * bins.n_bins
            counted = np.bincount(placed, minlength=n_cells * bins.n_bins)
            counts[:, begin:end] = counted.reshape(n_cells, bins.n_bins)
    return found


def _codes(bins: FeatureBins, column: pa.ChunkedArray) -> Ints:
    """The bins of a column; one that changed its kind holds nothing that these bins could count."""
    if kind_of(column.type) != bins.kind:
        return np.full(len(column), bins.null_bin, dtype=np.int64)
    return bins.codes(column)
