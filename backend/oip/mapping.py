"""Between a version's signature and tensors: what it takes and gives, a request to items, and answers to outputs. Pure.

Tabular: one tensor for each input, of shape [n] or [n, 1], or one tensor "inputs" of shape [n, number of inputs].
Image: BYTES "image" (and "golden"), each element an encoded picture, or the SHA-256 of one that was uploaded before.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from backend.inference.answers import BadInput
from backend.inference.schemas import Prediction
from backend.inference.signature import ImageInput, Signature, TabularInput
from backend.oip.tensors import Tensor

#: Things judged by one request.
MAX_ITEMS: Final = 1_000
MATRIX, IMAGE, GOLDEN, SUBJECT = "inputs", "image", "golden", "subject_id"
#: Declared type of an input -> datatype; others are FP64.
_DATATYPES: Final = {"integer": "INT64", "boolean": "BOOL"}
_SHA256 = re.compile(rb"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """A tensor that a version takes or gives; -1 stands for any number of items."""

    name: str
    datatype: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Item:
    """One thing to judge. `pictures` are bytes, or the SHA-256 of stored ones as text."""

    inputs: dict[str, Any] = field(default_factory=dict)
    pictures: list[bytes | str] = field(default_factory=list)
    subject_id: str | None = None


def inputs_of(signature: Signature, declared: Mapping[str, str]) -> list[TensorSpec]:
    """What a version takes. `declared`: types that the model declares for its inputs, which decide the datatype.

    >>> inputs_of(Signature.model_validate({"input": {"kind": "tabular", "features": ["x"]}}), {"x": "integer"})
    [TensorSpec(name='x', datatype='INT64', shape=(-1,))]
    """
    if isinstance(signature.input, ImageInput):
        names = [IMAGE, GOLDEN] if signature.input.with_golden else [IMAGE]
        return [TensorSpec(name, "BYTES", (-1,)) for name in names]
    found = []
    for one in signature.input.features:
        datatype = _DATATYPES.get(declared.get(one.name, ""), "FP64")
        found.append(TensorSpec(one.name, datatype if one.categories is None else "BYTES", (-1,)))
    return found


def outputs_of(signature: Signature) -> list[TensorSpec]:
    """What a version gives: label, its score and the scores of all labels, or a number; whether it was answered or is
    pending; and the ids of the events."""
    event_id, status = TensorSpec("event_id", "BYTES", (-1,)), TensorSpec("status", "BYTES", (-1,))
    if not signature.outputs:
        return [TensorSpec("value", "FP64", (-1,)), status, event_id]
    scores = TensorSpec("scores", "FP64", (-1, len(signature.outputs)))
    return [TensorSpec("label", "BYTES", (-1,)), TensorSpec("score", "FP64", (-1,)), scores, status, event_id]


def read_items(signature: Signature, declared: Mapping[str, str], tensors: Sequence[Tensor]) -> list[Item]:
    """The things that a request's tensors describe, in their order; BadInput says what does not fit."""
    by_name = {one.name: one for one in tensors}
    names = {one.name for one in inputs_of(signature, declared)}
    subjects = by_name.pop(SUBJECT) if SUBJECT in by_name and SUBJECT not in names else None
    if isinstance(signature.input, TabularInput):
        items = _rows(signature.input, declared, by_name)
    else:
        items = _pictures(signature.input, by_name)
    if subjects is None:
        return items
    texts = _texts(subjects, len(items))
    return [Item(one.inputs, one.pictures, text or None) for one, text in zip(items, texts, strict=True)]


def build_outputs(signature: Signature, served: Sequence[Prediction]) -> list[Tensor]:
    """All outputs for the answers. No label at all is an empty text, no number at all is NaN."""
    n = len(served)
    event_ids = Tensor("event_id", "BYTES", (n,), [one.id.encode() for one in served])
    status = Tensor("status", "BYTES", (n,), [one.status.encode() for one in served])
    if not signature.outputs:
        numbers = [_number(one.prediction) for one in served]
        return [Tensor("value", "FP64", (n,), np.array(numbers, dtype=np.float64)), status, event_ids]
    labels = [b"" if one.prediction is None else str(one.prediction).encode() for one in served]
    score = [math.nan if one.score is None else one.score for one in served]
    scores = [one.scores.get(label, math.nan) for one in served for label in signature.outputs]
    return [
        Tensor("label", "BYTES", (n,), labels),
        Tensor("score", "FP64", (n,), np.array(score, dtype=np.float64)),
        Tensor("scores", "FP64", (n, len(signature.outputs)), np.array(scores, dtype=np.float64)),
        status,
        event_ids,
    ]


def _number(prediction: str | float | None) -> float:
    """A person may have answered a number as text that is none."""
    try:
        return math.nan if prediction is None else float(prediction)
    except ValueError:
        return math.nan


def _rows(wanted: TabularInput, declared: Mapping[str, str], tensors: Mapping[str, Tensor]) -> list[Item]:
    names = [one.name for one in wanted.features]
    if set(tensors) == {MATRIX} and MATRIX not in names:
        columns = _matrix(tensors[MATRIX], names)
    else:
        _refuse_strangers(tensors, names)
        n = _n_items(next(iter(tensors.values())))
        columns = {name: _column(tensors[name], n) for name in names if name in tensors}
    columns = {name: _plain(name, column, declared.get(name)) for name, column in columns.items()}
    n = len(next(iter(columns.values())))
    return [Item({name: column[place] for name, column in columns.items()}) for place in range(n)]


def _matrix(tensor: Tensor, names: Sequence[str]) -> dict[str, list[Any]]:
    if len(tensor.shape) != 2 or tensor.shape[1] != len(names):
        raise BadInput(f"the input {MATRIX!r} has the shape {list(tensor.shape)} where [-1, {len(names)}] is taken")
    n = _n_items(tensor)
    if isinstance(tensor.values, list):
        texts = _texts(tensor, n * len(names))
        return {name: texts[place :: len(names)] for place, name in enumerate(names)}
    table = tensor.values.reshape(n, len(names))
    return {name: table[:, place].tolist() for place, name in enumerate(names)}


def _column(tensor: Tensor, n: int) -> list[Any]:
    if tensor.shape not in ((n,), (n, 1)):
        raise BadInput(f"the input {tensor.name!r} has the shape {list(tensor.shape)} where [{n}] or [{n}, 1] is taken")
    if isinstance(tensor.values, list):
        return _texts(tensor, n)
    found: list[Any] = tensor.values.tolist()
    return found


def _plain(name: str, column: list[Any], declared: str | None) -> list[Any]:
    """Values as JSON would hold them: NaN is a missing value, and a whole number of an integer input is one."""
    values = [None if isinstance(one, float) and math.isnan(one) else one for one in column]
    if any(isinstance(one, float) and math.isinf(one) for one in values):
        raise BadInput(f"the input {name!r} holds a number that is not finite")
    if declared == "integer":
        return [int(one) if isinstance(one, float) and one.is_integer() else one for one in values]
    return values


def _pictures(wanted: ImageInput, tensors: Mapping[str, Tensor]) -> list[Item]:
    names = [IMAGE, GOLDEN] if wanted.with_golden else [IMAGE]
    _refuse_strangers(tensors, names)
    for name in names:
        if name not in tensors:
            raise BadInput(f"the input {name!r} is missing")
    n = _n_items(tensors[IMAGE])
    columns = [_files(tensors[name], n) for name in names]
    return [Item(pictures=[column[place] for column in columns]) for place in range(n)]


def _files(tensor: Tensor, n: int) -> list[bytes | str]:
    if tensor.datatype != "BYTES" or not isinstance(tensor.values, list):
        raise BadInput(f"the input {tensor.name!r} is {tensor.datatype} where BYTES is taken: an encoded picture")
    if tensor.shape not in ((n,), (n, 1)):
        raise BadInput(f"the input {tensor.name!r} has the shape {list(tensor.shape)} where [{n}] or [{n}, 1] is taken")
    values = tensor.values
    if tensor.parameters.get("content_type") == "base64":
        try:
            values = [base64.b64decode(one, validate=True) for one in values]
        except (binascii.Error, ValueError):
            raise BadInput(f"the input {tensor.name!r} is not valid base64") from None
    return [one.decode() if _SHA256.fullmatch(one) else one for one in values]


def _texts(tensor: Tensor, n: int) -> list[str]:
    if not isinstance(tensor.values, list) or len(tensor.values) != n:
        raise BadInput(f"the input {tensor.name!r} needs {n} texts (BYTES)")
    try:
        return [one.decode() for one in tensor.values]
    except UnicodeDecodeError:
        raise BadInput(f"the input {tensor.name!r} holds text that is not UTF-8") from None


def _n_items(tensor: Tensor) -> int:
    n = tensor.shape[0] if tensor.shape else 0
    if not 1 <= n <= MAX_ITEMS:
        raise BadInput(
            f"the input {tensor.name!r} has the shape {list(tensor.shape)}: 1 to {MAX_ITEMS} items are taken"
        )
    return n


def _refuse_strangers(tensors: Mapping[str, Tensor], names: Sequence[str]) -> None:
    strange = [name for name in tensors if name not in names]
    if strange:
        raise BadInput(f"there is no input {strange[0]!r}: there are {', '.join(names)}"[:500])
    if not tensors:
        raise BadInput(f"none of the inputs is there: {', '.join(names)}"[:500])
