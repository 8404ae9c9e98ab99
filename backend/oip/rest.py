"""Bodies of the REST protocol: JSON, JSON followed by tensor bytes, packed with gzip or deflate. Pure."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Sequence
from typing import Any, Final

import orjson

from backend.errors import Malformed, TooLarge, UnsupportedMediaType
from backend.oip.exchange import InferAnswer, InferRequest, Wanted, check_parameters
from backend.oip.tensors import Tensor, check_head, from_list, from_raw, to_list, to_raw

#: Where the JSON ends and the tensor bytes begin.
HEADER_LENGTH: Final = "Inference-Header-Content-Length"
#: Shorter answers are not packed: it would not pay.
PACK_FROM_BYTES: Final = 1024
_NO_OBJECT = "the body is no JSON object"


def unpack(body: bytes, encoding: str, max_bytes: int) -> bytes:
    """The body without its Content-Encoding; stops as soon as it grows beyond the limit (413)."""
    encoding = encoding.strip().lower()
    if encoding in ("", "identity"):
        return body
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise UnsupportedMediaType("the body is plain, gzip or deflate", details={"got": encoding[:100]})
    # 31: gzip. deflate is zlib's format (15) by the standard, and bare (-15) by some senders.
    for bits in (31,) if encoding != "deflate" else (15, -15):
        unpacker = zlib.decompressobj(wbits=bits)
        try:
            plain = unpacker.decompress(body, max_bytes + 1)
        except zlib.error:
            continue
        if len(plain) > max_bytes:
            raise TooLarge(f"the unpacked body is larger than {max_bytes} bytes", details={"max_bytes": max_bytes})
        if unpacker.eof and not unpacker.unused_data:
            return plain
    raise Malformed(f"the body is not valid {encoding}")


def pack(body: bytes, accepted: str) -> tuple[bytes, str | None]:
    """The body packed as the caller accepts it, with its Content-Encoding; None when it stays plain."""
    if len(body) < PACK_FROM_BYTES:
        return body, None
    offers = [one.strip().lower() for one in accepted.split(",")]
    names = {one.partition(";")[0].strip() for one in offers if not one.replace(" ", "").endswith(";q=0")}
    if "gzip" in names:
        return gzip.compress(body, 1, mtime=0), "gzip"
    if "deflate" in names:
        return zlib.compress(body, 1), "deflate"
    return body, None


def read_request(body: bytes, header_length: str | None) -> InferRequest:
    """An inference request; Malformed (400) says what is wrong with it."""
    json_length = _json_length(header_length, len(body))
    found = read_object(body[:json_length])
    raw = RawData(memoryview(body)[json_length:])
    inputs = found.get("inputs")
    if not isinstance(inputs, list):
        raise Malformed("the request has no list of inputs")
    made = InferRequest(
        inputs=[_input(one, raw) for one in inputs],
        outputs=[_wanted(one) for one in _list_of(found, "outputs")],
        id=_text(found, "id"),
        parameters=check_parameters("the request", found.get("parameters")),
    )
    raw.check_used_up()
    return made


def read_object(body: bytes) -> dict[str, Any]:
    """The JSON object that a body is."""
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Malformed(f"the body is not valid JSON: {str(error)[:200]}") from None
    if not isinstance(found, dict):
        raise Malformed(_NO_OBJECT)
    return found


def write_answer(answer: InferAnswer, request: InferRequest) -> tuple[bytes, int | None]:
    """The body, and the length of its JSON when tensor bytes follow. Fields without a value are left out."""
    as_binary = {one.name: one.is_binary for one in request.outputs}
    by_default = request.parameters.get("binary_data_output") is True
    parts, described = [], []
    for tensor in answer.outputs:
        head: dict[str, Any] = {"name": tensor.name, "datatype": tensor.datatype, "shape": tensor.shape}
        is_binary = as_binary.get(tensor.name)
        if by_default if is_binary is None else is_binary:
            parts.append(to_raw(tensor))
            head["parameters"] = {"binary_data_size": len(parts[-1])}
        else:
            head["data"] = to_list(tensor)
        described.append(head)
    said = {"model_name": answer.model, "model_version": answer.version, "id": answer.id, "outputs": described}
    text = orjson.dumps(said)
    return (text, None) if not parts else (b"".join([text, *parts]), len(text))


class RawData:
    """The tensor bytes behind the JSON, taken piece by piece in the order of the inputs."""

    def __init__(self, data: memoryview) -> None:
        self._data = data
        self._at = 0

    def take(self, name: str, size: Any) -> memoryview:
        """The next `size` bytes, for the tensor `name`."""
        if type(size) is not int or size < 0:
            raise Malformed(f"the tensor {name!r}: binary_data_size is no whole number")
        if size > len(self._data) - self._at:
            raise Malformed(f"the tensor {name!r}: the body ends before its {size} bytes of binary data")
        self._at += size
        return self._data[self._at - size : self._at]

    def check_used_up(self) -> None:
        """Bytes that belong to no tensor mean that some length is wrong."""
        if self._at != len(self._data):
            raise Malformed(f"the body has {len(self._data) - self._at} bytes of binary data that belong to no input")


def _json_length(header: str | None, n_bytes: int) -> int:
    if header is None:
        return n_bytes
    if not (header.isascii() and header.isdigit()) or len(header) > 15 or int(header) > n_bytes:
        raise Malformed(f"{HEADER_LENGTH} is no length within the body of {n_bytes} bytes")
    return int(header)


def _input(found: Any, raw: RawData) -> Tensor:
    if not isinstance(found, dict):
        raise Malformed("an input is no object")
    name, datatype = found.get("name"), found.get("datatype")
    shape = check_head(name, datatype, found.get("shape"))
    assert isinstance(name, str)
    assert isinstance(datatype, str)
    parameters = check_parameters(f"the input {name!r}", found.get("parameters"))
    if "binary_data_size" in parameters:
        if "data" in found:
            raise Malformed(f"the tensor {name!r} has data in JSON and in binary")
        values = from_raw(name, datatype, shape, raw.take(name, parameters["binary_data_size"]))
    else:
        values = from_list(name, datatype, shape, found.get("data"))
    return Tensor(name, datatype, shape, values, parameters)


def _wanted(found: Any) -> Wanted:
    if not isinstance(found, dict) or not isinstance(found.get("name"), str):
        raise Malformed("an output is no object with a name")
    parameters = check_parameters(f"the output {found['name']!r}", found.get("parameters"))
    is_binary = parameters.get("binary_data")
    if is_binary is not None and type(is_binary) is not bool:
        raise Malformed(f"the output {found['name']!r}: binary_data is neither true nor false")
    return Wanted(found["name"], is_binary)


def _list_of(found: dict[str, Any], key: str) -> Sequence[Any]:
    value = found.get(key)
    if value is not None and not isinstance(value, list):
        raise Malformed(f"{key} is no list")
    return value or ()


def _text(found: dict[str, Any], key: str) -> str:
    value = found.get(key)
    if value is not None and not isinstance(value, str):
        raise Malformed(f"{key} is no text")
    return value or ""
