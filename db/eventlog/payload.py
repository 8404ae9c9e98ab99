"""The bytes of a committed batch: an Arrow IPC stream with zstd buffers, joined from messages encoded in parallel."""

from __future__ import annotations

import functools

import pyarrow as pa

#: Below this many rows compression costs more than the bytes it saves.
SMALL_ROWS = 64
_ZSTD = pa.ipc.IpcWriteOptions(compression=pa.Codec("zstd", 1), use_threads=False)
_PLAIN = pa.ipc.IpcWriteOptions(use_threads=False)
_END = b"\xff\xff\xff\xff\x00\x00\x00\x00"


def encode_batch(batch: pa.RecordBatch) -> bytes:
    """One record batch as an encapsulated IPC message. Threads may do this before the commit is formed."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema, options=_PLAIN if batch.num_rows < SMALL_ROWS else _ZSTD) as writer:
        writer.write_batch(batch)
    whole = sink.getvalue()
    head = len(_schema_message(batch.schema))
    message: bytes = whole.slice(head, whole.size - head - len(_END)).to_pybytes()
    return message


def join(schema: pa.Schema, messages: list[bytes]) -> bytes:
    """The IPC stream of messages that were encoded with the same schema."""
    return b"".join([_schema_message(schema), *messages, _END])


def decode(payload: bytes | memoryview) -> pa.Table:
    """The table inside a payload."""
    with pa.ipc.open_stream(pa.py_buffer(payload)) as reader:
        return reader.read_all()


def _schema_message(schema: pa.Schema) -> bytes:
    return _cached_message(_Key(schema))


class _Key:
    """Hashes a schema by its content, so that equal schemas share one encoded message."""

    def __init__(self, schema: pa.Schema) -> None:
        self.schema = schema

    def __hash__(self) -> int:
        return hash(tuple(self.schema.names))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and (self.schema is other.schema or bool(self.schema.equals(other.schema)))


@functools.lru_cache(maxsize=256)
def _cached_message(key: _Key) -> bytes:
    message: bytes = key.schema.serialize().to_pybytes()
    return message
