"""Reading OTLP/HTTP bodies (protobuf and JSON, plain and gzip) span by span, and writing what OTLP answers.

The protobuf envelope is walked here and each span parsed alone with opentelemetry-proto: a body of the allowed size
that holds millions of empty messages then costs the memory of one span, not of all.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Iterator
from typing import Any, Literal

import orjson

from backend.pipelines.span import Source, Span
from db.eventlog.problems import BodyProblem

Encoding = Literal["protobuf", "json"]

#: The OpenTelemetry collector takes 20 MiB; its batches of 8,192 spans are far below.
MAX_BODY_BYTES = 16 * 2**20
MAX_SPANS = 50_000
MAX_SPAN_BYTES = 2**20
MAX_ATTRIBUTES = 1_000
_MAX_DEPTH = 16
_MALFORMED = "the body is not an OTLP trace export"
_ITEM = 0x0A  # field 1, length-delimited
_SPANS = 0x12  # field 2, length-delimited


def decompress(body: bytes, max_bytes: int = MAX_BODY_BYTES) -> bytes:
    """A gzip body unpacked; stops as soon as it grows beyond the limit (413)."""
    parts: list[bytes] = []
    left, data = max_bytes, body
    while data:
        unpacker = zlib.decompressobj(wbits=31)
        try:
            part = unpacker.decompress(data, left + 1)
        except zlib.error as error:
            raise BodyProblem("malformed", "the body is not valid gzip") from error
        left -= len(part)
        if left < 0:
            raise BodyProblem("too_large", f"the unpacked body is larger than {max_bytes} bytes", status=413)
        if not unpacker.eof:
            raise BodyProblem("malformed", "the gzip body ends early")
        parts.append(part)
        data = unpacker.unused_data
    return b"".join(parts)


def read_spans(body: bytes, encoding: Encoding) -> Iterator[Span]:
    """The spans of an export in their order; BodyProblem where it cannot be read."""
    return _from_protobuf(body) if encoding == "protobuf" else _from_json(body)


def count_spans(body: bytes, encoding: Encoding) -> int:
    """Read everything once and keep nothing, so that a broken export is refused before anything of it is stored."""
    n = 0
    for n, _ in enumerate(read_spans(body, encoding), start=1):
        if n > MAX_SPANS:
            raise BodyProblem("too_large", f"an export has at most {MAX_SPANS} spans", status=413)
    return n


# --- protobuf --------------------------------------------------------------------------------------------------------


def _from_protobuf(body: bytes) -> Iterator[Span]:
    from google.protobuf.message import DecodeError
    from opentelemetry.proto.resource.v1.resource_pb2 import Resource
    from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage

    view = memoryview(body)
    try:
        for group_tag, group in _fields(view):
            if group_tag != _ITEM:
                continue
            source = Source()
            for tag, part in _fields(group):
                if tag == _ITEM:
                    source = Source(_attributes(Resource.FromString(_bounded(part)).attributes))
            for tag, part in _fields(group):
                if tag == _SPANS:
                    for span_tag, raw in _fields(part):
                        if span_tag == _SPANS:
                            yield _span(SpanMessage.FromString(_bounded(raw)), source)
    except DecodeError as error:
        raise BodyProblem("malformed", _MALFORMED) from error


def _bounded(part: memoryview) -> bytes:
    if len(part) > MAX_SPAN_BYTES:
        raise BodyProblem("too_large", f"a span has at most {MAX_SPAN_BYTES} bytes", status=413)
    return bytes(part)


def _fields(view: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Tag and content of each length-delimited field of a message; other fields are stepped over."""
    at, end = 0, len(view)
    while at < end:
        tag, at = _varint(view, at)
        kind = tag & 7
        if kind == 2:
            size, at = _varint(view, at)
            if size > end - at:
                raise BodyProblem("malformed", _MALFORMED)
            yield tag, view[at : at + size]
            at += size
        elif kind == 0:
            _, at = _varint(view, at)
        elif kind in (1, 5):
            at += 8 if kind == 1 else 4
        else:
            raise BodyProblem("malformed", _MALFORMED)
    if at != end:
        raise BodyProblem("malformed", _MALFORMED)


def _varint(view: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for place in range(10):
        if at >= len(view):
            raise BodyProblem("malformed", _MALFORMED)
        byte = view[at]
        at += 1
        value |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            return value, at
    raise BodyProblem("malformed", _MALFORMED)


def _span(message: Any, source: Source) -> Span:
    attributes = _attributes(message.attributes)
    failure = message.status.message or _first_exception(
        [(event.name, _attributes(event.attributes)) for event in message.events]
    )
    return Span(
        source,
        message.trace_id.hex(),
        message.span_id.hex(),
        message.name,
        message.start_time_unix_nano,
        message.end_time_unix_nano,
        message.status.code,
        failure,
        attributes,
    )


def _attributes(pairs: Any) -> dict[str, Any]:
    if len(pairs) > MAX_ATTRIBUTES:
        raise BodyProblem("too_large", f"a span has at most {MAX_ATTRIBUTES} attributes", status=413)
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: Any, depth: int = 0) -> Any:
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    if kind == "array_value" and depth < _MAX_DEPTH:
        return [_value(item, depth + 1) for item in value.array_value.values]
    if kind == "kvlist_value" and depth < _MAX_DEPTH:
        return {pair.key: _value(pair.value, depth + 1) for pair in value.kvlist_value.values}
    if kind == "bytes_value":
        return base64.b64encode(value.bytes_value).decode()
    return getattr(value, kind) if kind in ("string_value", "bool_value", "int_value", "double_value") else None


# --- JSON ------------------------------------------------------------------------------------------------------------


def _from_json(body: bytes) -> Iterator[Span]:
    try:
        whole = orjson.loads(body)
        if not isinstance(whole, dict):
            raise BodyProblem("malformed", _MALFORMED)
        for group in _list(whole, "resourceSpans"):
            source = Source(_json_attributes(_object(group.get("resource"))))
            for scope in _list(group, "scopeSpans"):
                for span in _list(scope, "spans"):
                    yield _json_span(span, source)
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise BodyProblem("malformed", f"{_MALFORMED}: {str(error)[:200]}") from error


def _json_span(span: dict[str, Any], source: Source) -> Span:
    status = _object(span.get("status"))
    events = [(str(event.get("name")), _json_attributes(event)) for event in _list(span, "events")]
    return Span(
        source,
        _hex(span.get("traceId")),
        _hex(span.get("spanId")),
        _text(span.get("name")),
        _int(span.get("startTimeUnixNano")),
        _int(span.get("endTimeUnixNano")),
        _status_code(status.get("code")),
        _text(status.get("message")) or _first_exception(events),
        _json_attributes(span),
    )


def _json_attributes(owner: dict[str, Any]) -> dict[str, Any]:
    pairs = _list(owner, "attributes")
    if len(pairs) > MAX_ATTRIBUTES:
        raise BodyProblem("too_large", f"a span has at most {MAX_ATTRIBUTES} attributes", status=413)
    return {_text(pair.get("key")): _json_value(_object(pair.get("value"))) for pair in pairs}


def _json_value(value: dict[str, Any], depth: int = 0) -> Any:
    if "intValue" in value:
        return _int(value["intValue"])
    if "doubleValue" in value:
        return float(value["doubleValue"])
    if "arrayValue" in value and depth < _MAX_DEPTH:
        return [_json_value(_object(item), depth + 1) for item in _list(_object(value["arrayValue"]), "values")]
    if "kvlistValue" in value and depth < _MAX_DEPTH:
        pairs = _list(_object(value["kvlistValue"]), "values")
        return {_text(pair.get("key")): _json_value(_object(pair.get("value")), depth + 1) for pair in pairs}
    for name in ("stringValue", "bytesValue"):
        if name in value:
            return _text(value[name])
    return bool(value["boolValue"]) if "boolValue" in value else None


def _list(owner: dict[str, Any], name: str) -> list[dict[str, Any]]:
    found = owner.get(name)
    if found is None:
        return []
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise ValueError(f"{name} is not a list of objects")
    return found


def _object(value: Any) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ValueError("an object was expected")
    return value


def _text(value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ValueError("text was expected")
    return value


def _int(value: Any) -> int:
    """A 64-bit number, which JSON writes as text or as a number."""
    if value is None:
        return 0
    if isinstance(value, bool) or not isinstance(value, int | str) or (isinstance(value, str) and len(value) > 20):
        raise ValueError("a whole number was expected")
    return int(value)


def _status_code(value: Any) -> int:
    return 2 if value in (2, "STATUS_CODE_ERROR") else 0


def _hex(value: Any) -> str:
    """Ids are hex in OTLP's JSON, unlike other bytes; what is not hex stays as it is and is refused as a span."""
    text = _text(value)
    try:
        return binascii.unhexlify(text).hex()
    except (ValueError, binascii.Error):
        return text[:100]


def _first_exception(events: list[tuple[str, dict[str, Any]]]) -> str:
    for name, attributes in events:
        if name == "exception":
            told = attributes.get("exception.message") or attributes.get("exception.type")
            return str(told or "")
    return ""


# --- answers ---------------------------------------------------------------------------------------------------------


def write_success(encoding: Encoding, n_rejected: int, message: str) -> bytes:
    """An ExportTraceServiceResponse; without rejected spans partial_success is left out, as OTLP asks."""
    if encoding == "json":
        partial = {"rejectedSpans": str(n_rejected), "errorMessage": message}
        return orjson.dumps({"partialSuccess": partial} if n_rejected else {})
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

    answer = ExportTraceServiceResponse()
    if n_rejected:
        answer.partial_success.rejected_spans = n_rejected
        answer.partial_success.error_message = message
    made: bytes = answer.SerializeToString()
    return made


def write_status(encoding: Encoding, code: int, message: str, body: dict[str, Any]) -> bytes:
    """A google.rpc.Status (code = 1, message = 2); as JSON together with the error body of every other route."""
    if encoding == "json":
        return orjson.dumps({"code": code, "message": message, **body})
    text = message.encode()
    return bytes([0x08, code, 0x12]) + _length(len(text)) + text


def _length(value: int) -> bytes:
    made = bytearray()
    while value > 0x7F:
        made.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(made) + bytes([value])
