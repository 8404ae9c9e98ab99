"""Puts what was measured of an item's first file beside its prediction, as columns media_<name>. Called by the seal."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from db.engine import Database
from db.eventlog.schema import MEDIA_PREFIX, ModelSpec
from db.repositories.artifacts import load_measures


def with_media(database: Database, table: pa.Table, spec: ModelSpec) -> pa.Table:
    """The rows with the measures of their first file; null where there is no file, or none was measured of it."""
    if not spec.media_columns or table.column("artifacts").null_count == table.num_rows:
        return table
    filled = pc.fill_null(pc.list_value_length(table.column("artifacts")), 0)
    lists = pc.if_else(pc.greater(filled, 0), table.column("artifacts"), pa.scalar([""], pa.list_(pa.string())))
    names = pc.dictionary_encode(pc.list_element(lists, 0).combine_chunks())
    with database.read() as session:
        measures = load_measures(session, [name for name in names.dictionary.to_pylist() if name])
    for column in spec.media_columns:
        of_file = [
            measures.get(name, {}).get(column.removeprefix(MEDIA_PREFIX)) for name in names.dictionary.to_pylist()
        ]
        values = pa.array(of_file, pa.float64()).take(names.indices)
        table = table.set_column(table.schema.get_field_index(column), pa.field(column, pa.float64()), values)
    return table
