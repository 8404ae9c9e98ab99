"""How upstream servers are asked about one thing, and how their answers are read and checked. Pure but for opening
the pictures given.

An answer that is not about what was asked (another model, version, request or shape) is no answer: BadOutput.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from backend.inference.answers import Answer, BadInput, BadOutput, build_input, read_output
from backend.inference.signature import ImageInput, Signature, Upstream

_REQUEST_ID: Final = "soi"


@dataclass(frozen=True, slots=True)
class Call:
    """A POST: path below the upstream's address, and body."""

    path: str
    body: bytes
    media_type: str = "application/json"


@dataclass(frozen=True, slots=True)
class Dialect:
    """A protocol: `ask` makes the call from inputs and pictures, `read` the answer from parsed JSON."""

    ask: Callable[[Signature, Mapping[str, Any], Sequence[bytes], int], Call]
    read: Callable[[Signature, Any], Answer]


def _upstream(signature: Signature) -> Upstream:
    assert signature.upstream is not None
    return signature.upstream


# --- Open Inference Protocol -----------------------------------------------------------------------------------------


def _ask_oip(signature: Signature, inputs: Mapping[str, Any], pictures: Sequence[bytes], max_pixels: int) -> Call:
    upstream = _upstream(signature)
    array = build_input(signature, inputs, pictures, max_pixels)[None]
    tensor = {"name": upstream.input, "shape": array.shape, "datatype": "FP32", "data": array.reshape(-1).tolist()}
    wanted = [{"name": upstream.output}] if upstream.output else None
    version = f"/versions/{upstream.version}" if upstream.version else ""
    body = {"id": _REQUEST_ID, "inputs": [tensor], **({"outputs": wanted} if wanted else {})}
    return Call(f"/v2/models/{upstream.model}{version}/infer", json.dumps(body).encode())


def _read_oip(signature: Signature, raw: Any) -> Answer:
    upstream = _upstream(signature)
    if not isinstance(raw, dict):
        raise BadOutput("the upstream's answer is no object")
    for name, sent, asked in (
        ("model", raw.get("model_name"), upstream.model),
        ("version", raw.get("model_version"), upstream.version),
        ("request", raw.get("id"), _REQUEST_ID),
    ):
        if sent is not None and asked is not None and sent != asked:
            raise BadOutput(f"the upstream answered for the {name} {str(sent)[:100]!r}, not {asked!r}")
    outputs = [one for one in raw.get("outputs") or [] if isinstance(one, dict)]
    found = [one for one in outputs if upstream.output in (None, one.get("name"))]
    if not found:
        raise BadOutput(f"the upstream's answer has no output {upstream.output!r}")
    shape = found[0].get("shape")
    if isinstance(shape, list) and len(shape) > 1 and shape[0] != 1:
        raise BadOutput(f"the upstream answered about {shape[0]} things, not one")
    return _numbers(signature, found[0].get("data"))


# --- TensorFlow Serving ----------------------------------------------------------------------------------------------


def _ask_tensorflow(
    signature: Signature, inputs: Mapping[str, Any], pictures: Sequence[bytes], max_pixels: int
) -> Call:
    upstream = _upstream(signature)
    array = build_input(signature, inputs, pictures, max_pixels)
    if isinstance(signature.input, ImageInput):
        array = array.transpose(1, 2, 0)  # TensorFlow has the channels last
    instance: Any = array.tolist()
    version = f"/versions/{upstream.version}" if upstream.version else ""
    body = {"instances": [{upstream.input: instance} if upstream.input else instance]}
    return Call(f"/v1/models/{upstream.model}{version}:predict", json.dumps(body).encode())


def _read_tensorflow(signature: Signature, raw: Any) -> Answer:
    predictions = raw.get("predictions") if isinstance(raw, dict) else None
    if not isinstance(predictions, list) or len(predictions) != 1:
        raise BadOutput("the upstream's answer has not one prediction")
    upstream, first = _upstream(signature), predictions[0]
    if isinstance(first, dict):
        first = first.get(upstream.output) if upstream.output else next(iter(first.values()), None)
    return _numbers(signature, first if isinstance(first, list) else [first])


# --- TorchServe ------------------------------------------------------------------------------------------------------


def _ask_torchserve(
    signature: Signature, inputs: Mapping[str, Any], pictures: Sequence[bytes], max_pixels: int
) -> Call:
    upstream = _upstream(signature)
    version = f"/{upstream.version}" if upstream.version else ""
    path = f"/predictions/{upstream.model}{version}"
    if isinstance(signature.input, ImageInput):
        if not pictures:
            raise BadInput("this version judges a picture: name it in artifacts")
        return Call(path, pictures[0], "application/octet-stream")
    return Call(path, json.dumps(dict(inputs)).encode())


def _read_torchserve(signature: Signature, raw: Any) -> Answer:
    if isinstance(raw, dict):
        return _scored(signature, raw)
    if isinstance(raw, list):
        return _numbers(signature, raw)
    return _said(signature, raw, None, {})


# --- plain JSON ------------------------------------------------------------------------------------------------------


def _ask_json(signature: Signature, inputs: Mapping[str, Any], pictures: Sequence[bytes], _: int) -> Call:
    body: dict[str, Any] = {"inputs": dict(inputs)}
    if isinstance(signature.input, ImageInput):
        if not pictures:
            raise BadInput("this version judges a picture: name it in artifacts")
        body["pictures"] = [base64.b64encode(one).decode() for one in pictures]
    return Call("", json.dumps(body).encode())


def _read_json(signature: Signature, raw: Any) -> Answer:
    if not isinstance(raw, dict) or "prediction" not in raw:
        raise BadOutput('the upstream\'s answer is no object with a "prediction"')
    scores = raw.get("scores") or {}
    if not isinstance(scores, dict):
        raise BadOutput('"scores" in the upstream\'s answer is no object')
    return _said(signature, raw["prediction"], raw.get("score"), scores)


DIALECTS: Final[dict[str, Dialect]] = {
    "oip": Dialect(_ask_oip, _read_oip),
    "tfserving": Dialect(_ask_tensorflow, _read_tensorflow),
    "torchserve": Dialect(_ask_torchserve, _read_torchserve),
    "json": Dialect(_ask_json, _read_json),
}


def _numbers(signature: Signature, data: Any) -> Answer:
    """Raw outputs, nested or flat, read as those of a version in our own memory."""
    flat: list[Any] = []
    _flatten(data, flat)
    if not all(type(one) in (int, float) for one in flat):
        raise BadOutput("the upstream answered what are no numbers")
    with np.errstate(over="ignore"):
        return read_output(signature, np.asarray(flat, dtype=np.float64).astype(np.float32))


def _flatten(data: Any, into: list[Any], depth: int = 0) -> None:
    if isinstance(data, list) and depth < 8:
        for one in data:
            _flatten(one, into, depth + 1)
    else:
        into.append(data)


def _scored(signature: Signature, scores: Mapping[str, Any]) -> Answer:
    """The label with the best score of an object of scores."""
    if not scores or not all(_is_finite(one) for one in scores.values()):
        raise BadOutput("the upstream answered no scores that are finite numbers")
    best = max(scores, key=lambda label: float(scores[label]))
    return _said(signature, best, scores[best], scores)


def _said(signature: Signature, prediction: Any, score: Any, scores: Mapping[str, Any]) -> Answer:
    """A prediction that an upstream worked out itself, checked against the signature."""
    if not signature.outputs:
        if not _is_finite(prediction):
            raise BadOutput("the upstream answered no finite number")
        return Answer(prediction=float(prediction))
    strange = [one for one in (prediction, *scores) if one is not None and one not in signature.outputs]
    if strange:
        raise BadOutput(f"the upstream answered {str(strange[0])[:100]!r}, which is none of the version's labels")
    for one in (score, *scores.values()):
        if one is not None and not _is_finite(one):
            raise BadOutput("the upstream answered a score that is no finite number")
    named = {label: round(float(one), 6) for label, one in scores.items() if one is not None}
    if score is None and prediction is not None:
        score = named.get(prediction)
    is_null = score is not None and signature.abstain_below is not None and float(score) < signature.abstain_below
    kept = None if score is None else round(float(score), 6)
    return Answer(prediction=None if is_null else prediction, score=kept, scores=named)


def _is_finite(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)
