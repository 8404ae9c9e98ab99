"""How sealed events lie on disk: zstd Parquet with an encoding per kind of column, partitioned by event date."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import ColumnProperties, WriterProperties

from db.eventlog.delta_log import PARTITION

#: Identifiers are mostly distinct: a dictionary would only cost.
_IDS = ("event_id", "request_id", "subject_id", "trace_id")
_TIMES = ("happened_at", "logged_at")
ROW_GROUP = 250_000


def writer_properties(schema: pa.Schema) -> WriterProperties:
    """Encodings for one model's columns."""
    columns: dict[str, ColumnProperties] = {}
    for column in schema:
        if column.name in _IDS:
            columns[column.name] = ColumnProperties(
                dictionary_enabled=False, encoding="PLAIN", statistics_enabled="CHUNK"
            )
        elif column.name in _TIMES:
            columns[column.name] = ColumnProperties(dictionary_enabled=False, encoding="DELTA_BINARY_PACKED")
        elif pa.types.is_float64(column.type):
            columns[column.name] = ColumnProperties(dictionary_enabled=False, encoding="BYTE_STREAM_SPLIT")
    return WriterProperties(
        compression="ZSTD", compression_level=1, max_row_group_size=ROW_GROUP, column_properties=columns
    )


def with_partition(table: pa.Table) -> pa.Table:
    """The table with its partition column: the UTC date of the event."""
    day = pc.cast(table.column("happened_at"), pa.timestamp("us")).cast(pa.date32(), safe=False)
    return table.append_column(PARTITION, day)
