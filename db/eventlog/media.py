"""Puts what was measured of an item's file beside its prediction, as columns media_<name>. Called by the seal."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from db.engine import Database
from db.eventlog.schema import MEDIA_PREFIX, ModelSpec
from db.repositories.artifacts import load_measures

Ints = np.ndarray[Any, np.dtype[np.int64]]


def with_media(database: Database, table: pa.Table, spec: ModelSpec) -> pa.Table:
    """The rows with the measures of their first file of the model's item kind; null where nothing was measured of it.

    A file of another kind beside it (the sound of an image's operator) is passed over.
    """
    if not spec.media_columns or table.column("artifacts").null_count == table.num_rows:
        return table
    lists = table.column("artifacts").combine_chunks()
    files = pc.dictionary_encode(pc.list_flatten(lists))
    names: list[str] = files.dictionary.to_pylist()
    with database.read() as session:
        measures = load_measures(session, names, spec.item_kind)
    is_item = np.array([name in measures for name in names], dtype=bool)
    owner, code = _first_items(lists, files.indices.to_numpy(zero_copy_only=False).astype(np.int64), is_item)
    for column in spec.media_columns:
        of_file = [measures.get(name, {}).get(column.removeprefix(MEDIA_PREFIX)) for name in names]
        known = np.array([np.nan if value is None else value for value in of_file], dtype=np.float64)
        values = np.full(table.num_rows, np.nan)
        values[owner] = known[code]
        place = table.schema.get_field_index(column)
        table = table.set_column(
            place, pa.field(column, pa.float64()), pa.array(values, pa.float64(), from_pandas=True)
        )
    return table


def _first_items(lists: pa.Array, code: Ints, is_item: np.ndarray[Any, np.dtype[np.bool_]]) -> tuple[Ints, Ints]:
    """Rows that name a file of the item's kind, and the first such file of each."""
    parents = pc.list_parent_indices(lists).to_numpy(zero_copy_only=False)
    chosen = np.flatnonzero(is_item[code])
    owner, first = np.unique(parents[chosen], return_index=True)
    return owner, code[chosen[first]]
