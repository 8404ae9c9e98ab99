"""Inference requests and answers as gRPC messages: typed contents, or raw bytes beside the tensors."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

from backend.errors import Malformed
from backend.oip.exchange import InferAnswer, InferRequest, Wanted, check_parameters
from backend.oip.messages import message
from backend.oip.tensors import RAW_ONLY, Tensor, check_head, from_list, from_raw, to_raw

#: Datatype -> field of InferTensorContents that holds it.
_CONTENTS: Final = {
    "BOOL": "bool_contents",
    "INT8": "int_contents",
    "INT16": "int_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
    "UINT8": "uint_contents",
    "UINT16": "uint_contents",
    "UINT32": "uint_contents",
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}


def read_request(sent: Any) -> InferRequest:
    """A ModelInferRequest as a request; Malformed says what is wrong with it."""
    raw = sent.raw_input_contents
    if raw and len(raw) != len(sent.inputs):
        raise Malformed(f"{len(raw)} raw contents are sent for {len(sent.inputs)} inputs")
    return InferRequest(
        inputs=[_input(one, raw[place] if raw else None) for place, one in enumerate(sent.inputs)],
        outputs=[_wanted(one) for one in sent.outputs],
        id=sent.id,
        parameters=check_parameters("the request", parameters_of(sent.parameters)),
    )


def write_answer(answer: InferAnswer, asked: Any) -> Any:
    """A ModelInferResponse: raw when the request was raw, else with typed contents."""
    made = message("ModelInferResponse")(model_name=answer.model, model_version=answer.version, id=answer.id)
    is_raw = bool(asked.raw_input_contents)
    for tensor in answer.outputs:
        head = made.outputs.add(name=tensor.name, datatype=tensor.datatype, shape=tensor.shape)
        if is_raw:
            made.raw_output_contents.append(to_raw(tensor))
        else:
            values = tensor.values if isinstance(tensor.values, list) else tensor.values.tolist()
            getattr(head.contents, _CONTENTS[tensor.datatype]).extend(values)
    return made


def parameters_of(sent: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters as plain values."""
    found = {}
    for name, parameter in sent.items():
        choice = parameter.WhichOneof("parameter_choice")
        if choice is not None:
            found[name] = getattr(parameter, choice)
    return found


def _input(sent: Any, raw: bytes | None) -> Tensor:
    name, datatype = sent.name, sent.datatype
    shape = check_head(name, datatype, list(sent.shape))
    parameters = check_parameters(f"the input {name!r}", parameters_of(sent.parameters))
    if raw is not None:
        if sent.HasField("contents"):
            raise Malformed(f"the tensor {name!r} has typed contents and raw ones")
        return Tensor(name, datatype, shape, from_raw(name, datatype, shape, memoryview(raw)), parameters)
    if datatype in RAW_ONLY:
        raise Malformed(f"the tensor {name!r}: {datatype} has no typed contents, send it raw")
    filled = [field.name for field, _ in sent.contents.ListFields()]
    if filled not in ([], [_CONTENTS[datatype]]):
        raise Malformed(f"the tensor {name!r} is {datatype}, but its contents are {', '.join(filled)}")
    data = list(getattr(sent.contents, _CONTENTS[datatype]))
    if datatype != "BYTES":
        return Tensor(name, datatype, shape, from_list(name, datatype, shape, data, may_be_infinite=True), parameters)
    if len(data) != math.prod(shape):
        raise Malformed(f"the tensor {name!r} has {len(data)} elements where its shape asks for {math.prod(shape)}")
    return Tensor(name, datatype, shape, data, parameters)


def _wanted(sent: Any) -> Wanted:
    check_parameters(f"the output {sent.name!r}", parameters_of(sent.parameters))
    return Wanted(sent.name)
