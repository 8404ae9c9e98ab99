"""Tensors to bytes and lists and back, against hand-made bytes and numpy."""

from __future__ import annotations

import math
import struct
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.errors import Malformed
from backend.oip.tensors import DATATYPES, DTYPES, Tensor, check_head, from_list, from_raw, to_list, to_raw

LIMITS = {name: np.iinfo(kind) for name, kind in DTYPES.items() if "INT" in name}


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(LIMITS)), st.data())
def test_whole_numbers_survive_lists_and_bytes(datatype: str, data: st.DataObject) -> None:
    limits = LIMITS[datatype]
    values = data.draw(st.lists(st.integers(int(limits.min), int(limits.max)), max_size=6))
    made = from_list("x", datatype, (len(values),), values)
    tensor = Tensor("x", datatype, (len(values),), made)
    width = {"8": "b", "16": "h", "32": "i", "64": "q"}[datatype.lstrip("UINT")]
    packed = struct.pack(f"<{len(values)}{width.upper() if datatype.startswith('U') else width}", *values)
    assert to_raw(tensor) == packed
    assert to_list(tensor) == values
    assert np.asarray(from_raw("x", datatype, (len(values),), memoryview(packed))).tolist() == values


@settings(max_examples=60, deadline=None)
@given(st.lists(st.binary(max_size=12), max_size=6))
def test_bytes_survive_their_lengths(values: list[bytes]) -> None:
    packed = b"".join(struct.pack("<I", len(one)) + one for one in values)
    assert to_raw(Tensor("x", "BYTES", (len(values),), values)) == packed
    assert from_raw("x", "BYTES", (len(values),), memoryview(packed)) == values


@pytest.mark.parametrize("cut", range(1, 9))
def test_bytes_cut_anywhere_are_refused(cut: int) -> None:
    packed = b"\x02\0\0\0ab\0\0\0\0"
    assert from_raw("x", "BYTES", (2,), memoryview(packed)) == [b"ab", b""]
    with pytest.raises(Malformed):
        from_raw("x", "BYTES", (2,), memoryview(packed[:-cut]))


def test_half_precision_is_read_as_numpy_reads_it() -> None:
    values = [0.0, -1.5, 3.140625, 65280.0, math.inf]
    for datatype, kind in (("BF16", ml_dtypes.bfloat16), ("FP16", np.float16)):
        sent = np.array(values, dtype=np.float64).astype(kind)
        found = from_raw("x", datatype, (5,), memoryview(sent.tobytes()))
        assert np.asarray(found).tolist() == sent.astype(np.float64).tolist()


@pytest.mark.parametrize(
    ("shape", "data"),
    [
        ((2, 3), [[1, 2, 3], [4, 5, 6]]),
        ((2, 3), [1, 2, 3, 4, 5, 6]),
        ((1, 2, 3), [[[1, 2, 3], [4, 5, 6]]]),
        ((), [1]),
        ((0,), []),
        ((2, 0), [[], []]),
    ],
)
def test_lists_are_nested_like_the_shape_or_flat(shape: tuple[int, ...], data: list[Any]) -> None:
    found = from_list("x", "INT32", shape, data)
    assert np.asarray(found).tolist() == np.array(data).reshape(-1).tolist()


@pytest.mark.parametrize(
    ("shape", "data"),
    [
        ((2, 3), [[1, 2], [3, 4], [5, 6]]),
        ((2, 3), [[1, 2, 3], 4, 5, 6]),
        ((6,), [[1, 2, 3], [4, 5, 6]]),
        ((2, 3), [[[1], [2], [3]], [[4], [5], [6]]]),
        ((), []),
        ((2,), "12"),
        ((2,), {"0": 1, "1": 2}),
        ((2,), None),
    ],
)
def test_lists_of_another_form_are_refused(shape: tuple[int, ...], data: Any) -> None:
    with pytest.raises(Malformed):
        from_list("x", "INT32", shape, data)


@pytest.mark.parametrize("value", [1e39, -1e39, math.nan, math.inf, 2**200])
def test_numbers_that_a_float_cannot_hold_are_refused_in_json(value: float) -> None:
    with pytest.raises(Malformed):
        from_list("x", "FP32", (1,), [value])


@pytest.mark.parametrize("datatype", sorted(LIMITS))
def test_the_limits_of_whole_numbers_are_exact(datatype: str) -> None:
    low, high = int(LIMITS[datatype].min), int(LIMITS[datatype].max)
    assert np.asarray(from_list("x", datatype, (2,), [low, high])).tolist() == [low, high]
    for beyond in (low - 1, high + 1):
        with pytest.raises(Malformed):
            from_list("x", datatype, (1,), [beyond])


@pytest.mark.parametrize(
    ("name", "datatype", "shape"),
    [
        ("", "FP32", [1]),
        (None, "FP32", [1]),
        ("x" * 201, "FP32", [1]),
        ("x", "fp32", [1]),
        ("x", None, [1]),
        ("x", ["FP32"], [1]),
        ("x", "FP32", None),
        ("x", "FP32", "1"),
        ("x", "FP32", [1.0]),
        ("x", "FP32", [True]),
        ("x", "FP32", [1] * 17),
        ("x", "FP32", [2**13, 2**13, 2]),
    ],
)
def test_unsound_heads_are_refused(name: Any, datatype: Any, shape: Any) -> None:
    with pytest.raises(Malformed):
        check_head(name, datatype, shape)


def test_every_datatype_of_the_protocol_is_known() -> None:
    assert set(DATATYPES) == {
        "BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64",
        "FP16", "FP32", "FP64", "BF16", "BYTES",
    }  # fmt: skip
    assert check_head("x", "BYTES", [2, 3]) == (2, 3)
