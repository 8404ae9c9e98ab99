"""Tensors of the Open Inference Protocol: from and to JSON lists, raw bytes and numpy. Pure; both transports use it."""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from backend.errors import Malformed

#: Datatype -> little-endian numpy type. BF16 has none and BYTES has no fixed size: both are read by hand.
DTYPES: Final[dict[str, str]] = {
    "BOOL": "?",
    "UINT8": "u1",
    "UINT16": "<u2",
    "UINT32": "<u4",
    "UINT64": "<u8",
    "INT8": "i1",
    "INT16": "<i2",
    "INT32": "<i4",
    "INT64": "<i8",
    "FP16": "<f2",
    "FP32": "<f4",
    "FP64": "<f8",
}
DATATYPES: Final = (*DTYPES, "BF16", "BYTES")
#: Half-precision numbers have no JSON form in the protocol.
RAW_ONLY: Final = ("FP16", "BF16")
MAX_RANK, MAX_ELEMENTS = 16, 2**26
_LENGTH: Final = struct.Struct("<I")

Numbers = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Tensor:
    """A named tensor, its elements flat in row-major order: a numpy array, or a list of bytes for BYTES."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    values: Numbers | list[bytes]
    parameters: Mapping[str, Any] = field(default_factory=dict)


def check_head(name: Any, datatype: Any, shape: Any) -> tuple[int, ...]:
    """The shape of a tensor whose name, datatype and shape are sound; Malformed otherwise."""
    if not isinstance(name, str) or not name or len(name) > 200:
        raise Malformed("a tensor needs a name of 1 to 200 characters")
    if datatype not in DATATYPES:
        raise Malformed(f"the tensor {name!r} needs a datatype out of {', '.join(DATATYPES)}")
    is_list = isinstance(shape, Sequence) and not isinstance(shape, str) and len(shape) <= MAX_RANK
    if not is_list or any(type(size) is not int or size < 0 for size in shape):
        raise Malformed(f"the shape of the tensor {name!r} is no list of at most {MAX_RANK} whole numbers")
    if math.prod(shape) > MAX_ELEMENTS:
        raise Malformed(f"the tensor {name!r} has more than {MAX_ELEMENTS:,} elements")
    return tuple(shape)


def from_list(
    name: str, datatype: str, shape: tuple[int, ...], data: Any, *, may_be_infinite: bool = False
) -> Numbers | list[bytes]:
    """Elements of a list, nested like the shape or flat, checked one by one against the datatype. NaN and infinity
    are refused where the sender cannot mean them, as in JSON.

    >>> from_list("x", "FP32", (2, 2), [[1, 2], [3, 4.5]]).tolist()
    [1.0, 2.0, 3.0, 4.5]
    """
    if datatype in RAW_ONLY:
        raise Malformed(f"the tensor {name!r}: {datatype} has no JSON form, send it as binary data")
    flat = _flat(name, shape, data)
    kinds = set(map(type, flat))
    if datatype == "BYTES":
        _check_kinds(name, datatype, kinds, {str})
        return [_encoded(name, one) for one in flat]
    if datatype == "BOOL":
        _check_kinds(name, datatype, kinds, {bool})
        return np.array(flat, dtype=bool)
    if datatype.startswith("FP"):
        _check_kinds(name, datatype, kinds, {int, float})
        with np.errstate(over="ignore"):
            made: Numbers = np.array(flat, dtype=np.float64).astype(DTYPES[datatype])
        if not may_be_infinite and not np.isfinite(made).all():
            raise Malformed(f"the tensor {name!r} holds a number that does not fit {datatype}")
        return made
    _check_kinds(name, datatype, kinds, {int})
    limits = np.iinfo(DTYPES[datatype])
    if flat and not (limits.min <= min(flat) and max(flat) <= limits.max):
        raise Malformed(f"the tensor {name!r} holds a number that does not fit {datatype}")
    return np.array(flat, dtype=DTYPES[datatype])


def from_raw(name: str, datatype: str, shape: tuple[int, ...], data: memoryview) -> Numbers | list[bytes]:
    """Elements of raw little-endian bytes; BYTES are a 32-bit length and that many bytes each."""
    n = math.prod(shape)
    if datatype == "BYTES":
        return _split(name, n, data)
    width = 2 if datatype == "BF16" else np.dtype(DTYPES[datatype]).itemsize
    if len(data) != n * width:
        raise Malformed(f"the tensor {name!r} has {len(data)} bytes of data where its shape asks for {n * width}")
    if datatype == "BF16":
        # The upper half of a 32-bit float.
        upper: Numbers = (np.frombuffer(data, dtype="<u2").astype("<u4") << 16).view("<f4")
        return upper
    if datatype == "BOOL":
        flags: Numbers = np.frombuffer(data, dtype="u1") != 0
        return flags
    return np.frombuffer(data, dtype=DTYPES[datatype])


def to_list(tensor: Tensor) -> list[Any]:
    """The elements as a flat JSON list."""
    if isinstance(tensor.values, list):
        return [one.decode("utf-8", "replace") for one in tensor.values]
    found: list[Any] = tensor.values.tolist()
    return found


def to_raw(tensor: Tensor) -> bytes:
    """The elements as raw little-endian bytes."""
    if isinstance(tensor.values, list):
        return b"".join(chain.from_iterable((_LENGTH.pack(len(one)), one) for one in tensor.values))
    return tensor.values.astype(DTYPES[tensor.datatype], copy=False).tobytes()


def _flat(name: str, shape: tuple[int, ...], data: Any) -> list[Any]:
    if not isinstance(data, list):
        raise Malformed(f"the data of the tensor {name!r} is no list")
    if not any(type(one) is list for one in data):
        if len(data) != math.prod(shape):
            raise Malformed(f"the tensor {name!r} has {len(data)} elements where its shape asks for {math.prod(shape)}")
        return data
    level: list[Any] = [data]
    for size in shape:
        if any(type(one) is not list or len(one) != size for one in level):
            raise Malformed(f"the nested data of the tensor {name!r} do not have its shape {list(shape)}")
        level = list(chain.from_iterable(level))
    return level


def _check_kinds(name: str, datatype: str, found: set[type], allowed: set[type]) -> None:
    if not found <= allowed:
        strange = ", ".join(sorted(kind.__name__ for kind in found - allowed))
        raise Malformed(f"the tensor {name!r} holds what is no {datatype}: {strange}")


def _encoded(name: str, text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise Malformed(f"the tensor {name!r} holds half of a surrogate pair") from None


def _split(name: str, n: int, data: memoryview) -> list[bytes]:
    found, at = [], 0
    for _ in range(n):
        if at + 4 > len(data):
            raise Malformed(f"the data of the tensor {name!r} end before its {n} elements")
        size = _LENGTH.unpack_from(data, at)[0]
        at += 4
        if size > len(data) - at:
            raise Malformed(f"the data of the tensor {name!r} end within an element")
        found.append(bytes(data[at : at + size]))
        at += size
    if at != len(data):
        raise Malformed(f"the tensor {name!r} has {len(data) - at} bytes of data more than its {n} elements")
    return found
