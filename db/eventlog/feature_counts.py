"""Cells of feature counts: a table's rows per hour and day, version, role and segment value, on a profile's bins."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from db.eventlog.columns import micros
from db.eventlog.feature_profile import Profile, count_groups, count_table

Ints = npt.NDArray[np.int64]
#: Grains that feature counts are kept in, finest first.
COUNT_GRAINS_S = (3600, 86_400)
#: Numbers in memory while counting (cells x bins); a table that spans more is counted in portions.
_MAX_GRID = 4_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_WIDTHS = ((2**8, "<u1"), (2**16, "<u2"), (2**32, "<u4"))

#: grain_s, bucket_at, version, role, segment_key, segment_value.
CellKey = tuple[int, datetime, str, str, str, str]


@dataclass(slots=True)
class FeatureCell:
    """Counts of one hour or day, version, role and segment value ('' of key '' means all)."""

    key: CellKey
    n_events: int
    counts: Ints


def encode_counts(counts: Ints) -> bytes:
    """The narrowest width that holds every count (one byte says which), then the numbers, deflated."""
    top = int(counts.max()) if len(counts) else 0
    width = next((code for limit, code in _WIDTHS if top < limit), "<u8")
    return bytes([int(width[-1])]) + zlib.compress(counts.astype(width).tobytes(), 1)


def decode_counts(blob: bytes) -> Ints:
    """The inverse of `encode_counts`."""
    return np.frombuffer(zlib.decompress(memoryview(blob)[1:]), dtype=f"<u{blob[0]}").astype(np.int64)


def count_cells(profile: Profile, table: pa.Table, segment_keys: Sequence[str] = ()) -> list[FeatureCell]:
    """The cells of stored events, for both grains, in total and per value of each segment key.

    Events that name no value of a segment key are in the totals only.
    """
    if table.num_rows == 0 or not profile.features:
        return []
    keys = ["", *(key for key in segment_keys if table.schema.get_field_index("seg_" + key) >= 0)]
    groups = [_Groups(table, key) for key in keys]
    if sum(map(len, groups)) * profile.n_bins <= _MAX_GRID:
        counted = count_groups(profile, table, [(group.cell, len(group)) for group in groups])
        hours = [cell for group, counts in zip(groups, counted, strict=True) for cell in group.cells(counts)]
    else:
        hours = [cell for group in groups for cell in _count_portions(profile, table, group)]
    return [*hours, *to_days(hours)]


class _Groups:
    """Rows grouped by hour, version, role and the value of one segment key."""

    def __init__(self, table: pa.Table, segment_key: str) -> None:
        self.segment_key = segment_key
        hour = micros(table.column("happened_at")) // (COUNT_GRAINS_S[0] * 1_000_000)
        version, self.versions = _codes(table.column("version"))
        role, self.roles = _codes(table.column("role"))
        value, self.values = np.zeros(len(hour), dtype=np.int64), [""]
        if segment_key:
            value, self.values = _codes(table.column("seg_" + segment_key))
        sizes = (len(self.versions), len(self.roles), len(self.values))
        key = ((hour * sizes[0] + version) * sizes[1] + role) * sizes[2] + value
        encoded = pc.dictionary_encode(pa.array(key))
        unique, self.cell = encoded.dictionary.to_numpy(), encoded.indices.to_numpy().astype(np.int64)
        self.sizes = np.bincount(self.cell, minlength=len(unique))
        rest, self.value = np.divmod(unique, sizes[2])
        rest, self.role = np.divmod(rest, sizes[1])
        self.hour, self.version = np.divmod(rest, sizes[0])

    def __len__(self) -> int:
        return len(self.hour)

    def key(self, place: int) -> CellKey:
        return (
            COUNT_GRAINS_S[0],
            _EPOCH + timedelta(hours=int(self.hour[place])),
            self.versions[self.version[place]],
            self.roles[self.role[place]],
            self.segment_key,
            self.values[self.value[place]],
        )

    def cells(self, counts: Ints, first: int = 0) -> Iterator[FeatureCell]:
        """The cells from number `first` on, one per row of counts; of a segment key those that name a value."""
        for place, row in enumerate(counts, first):
            key = self.key(place)
            if not self.segment_key or key[5]:
                yield FeatureCell(key, int(self.sizes[place]), row)


def _count_portions(profile: Profile, table: pa.Table, group: _Groups) -> Iterable[FeatureCell]:
    """Some cells after another, where all of them together would take too much memory."""
    step = max(1, _MAX_GRID // max(1, profile.n_bins))
    for first in range(0, len(group), step):
        last = min(len(group), first + step)
        rows = np.flatnonzero((group.cell >= first) & (group.cell < last))
        counts = count_table(profile, table.take(pa.array(rows)), group.cell[rows] - first, last - first)
        yield from group.cells(counts, first)


def to_days(hours: Iterable[FeatureCell]) -> list[FeatureCell]:
    """The same counts per UTC day."""
    found: dict[CellKey, FeatureCell] = {}
    for cell in hours:
        day = cell.key[1].replace(hour=0)
        key: CellKey = (COUNT_GRAINS_S[1], day, *cell.key[2:])
        into = found.get(key)
        if into is None:
            found[key] = FeatureCell(key, cell.n_events, cell.counts.copy())
        else:
            into.n_events += cell.n_events
            into.counts += cell.counts
    return list(found.values())


def merge_counts(parts: Iterable[Iterable[FeatureCell]]) -> list[FeatureCell]:
    """One cell per key with the counts of all."""
    found: dict[CellKey, FeatureCell] = {}
    for cells in parts:
        for cell in cells:
            into = found.get(cell.key)
            if into is None:
                found[cell.key] = FeatureCell(cell.key, cell.n_events, cell.counts)
            else:
                found[cell.key] = FeatureCell(cell.key, into.n_events + cell.n_events, into.counts + cell.counts)
    return list(found.values())


def _codes(column: pa.ChunkedArray) -> tuple[Ints, list[str]]:
    encoded = pc.dictionary_encode(pc.fill_null(column.combine_chunks(), ""))
    return encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64), encoded.dictionary.to_pylist()
