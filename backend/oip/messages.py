"""Messages of the protocol over gRPC, built at run time in a pool of their own.

Two packages that register the names `inference.*` in protobuf's default pool crash a process that loads both, and the
clients of other serving systems do register them: so ours stay out of it.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

PACKAGE: Final = "inference"
SERVICE: Final = "inference.GRPCInferenceService"

#: Message -> fields as "name number type"; "*" repeats, "map:" maps text to a type, "oneof" is a choice of fields.
_MESSAGES: Final[dict[str, str]] = {
    "ServerLiveRequest": "",
    "ServerLiveResponse": "live 1 bool",
    "ServerReadyRequest": "",
    "ServerReadyResponse": "ready 1 bool",
    "ModelReadyRequest": "name 1 string, version 2 string",
    "ModelReadyResponse": "ready 1 bool",
    "ServerMetadataRequest": "",
    "ServerMetadataResponse": "name 1 string, version 2 string, extensions 3 string*",
    "ModelMetadataRequest": "name 1 string, version 2 string",
    "ModelMetadataResponse": "name 1 string, versions 2 string*, platform 3 string,"
    " inputs 4 ModelMetadataResponse.TensorMetadata*, outputs 5 ModelMetadataResponse.TensorMetadata*",
    "ModelMetadataResponse.TensorMetadata": "name 1 string, datatype 2 string, shape 3 int64*",
    "InferParameter": "oneof parameter_choice, bool_param 1 bool, int64_param 2 int64, string_param 3 string,"
    " double_param 4 double, uint64_param 5 uint64",
    "InferTensorContents": "bool_contents 1 bool*, int_contents 2 int32*, int64_contents 3 int64*,"
    " uint_contents 4 uint32*, uint64_contents 5 uint64*, fp32_contents 6 float*, fp64_contents 7 double*,"
    " bytes_contents 8 bytes*",
    "ModelInferRequest": "model_name 1 string, model_version 2 string, id 3 string, parameters 4 map:InferParameter,"
    " inputs 5 ModelInferRequest.InferInputTensor*, outputs 6 ModelInferRequest.InferRequestedOutputTensor*,"
    " raw_input_contents 7 bytes*",
    "ModelInferRequest.InferInputTensor": "name 1 string, datatype 2 string, shape 3 int64*,"
    " parameters 4 map:InferParameter, contents 5 InferTensorContents",
    "ModelInferRequest.InferRequestedOutputTensor": "name 1 string, parameters 2 map:InferParameter",
    "ModelInferResponse": "model_name 1 string, model_version 2 string, id 3 string, parameters 4 map:InferParameter,"
    " outputs 5 ModelInferResponse.InferOutputTensor*, raw_output_contents 6 bytes*",
    "ModelInferResponse.InferOutputTensor": "name 1 string, datatype 2 string, shape 3 int64*,"
    " parameters 4 map:InferParameter, contents 5 InferTensorContents",
    "ModelStatisticsRequest": "name 1 string, version 2 string",
    "ModelStatisticsResponse": "model_stats 1 ModelStatistics*",
    "ModelStatistics": "name 1 string, version 2 string, last_inference 3 uint64, inference_count 4 uint64,"
    " execution_count 5 uint64, inference_stats 6 InferStatistics",
    "InferStatistics": "success 1 StatisticDuration, fail 2 StatisticDuration, queue 3 StatisticDuration,"
    " compute_input 4 StatisticDuration, compute_infer 5 StatisticDuration, compute_output 6 StatisticDuration,"
    " cache_hit 7 StatisticDuration, cache_miss 8 StatisticDuration",
    "StatisticDuration": "count 1 uint64, ns 2 uint64",
    "RepositoryIndexRequest": "repository_name 1 string, ready 2 bool",
    "RepositoryIndexResponse": "models 1 RepositoryIndexResponse.ModelIndex*",
    "RepositoryIndexResponse.ModelIndex": "name 1 string, version 2 string, state 3 string, reason 4 string",
    "ModelRepositoryParameter": "oneof parameter_choice, bool_param 1 bool, int64_param 2 int64,"
    " string_param 3 string, bytes_param 4 bytes",
    "RepositoryModelLoadRequest": "repository_name 1 string, model_name 2 string,"
    " parameters 3 map:ModelRepositoryParameter",
    "RepositoryModelLoadResponse": "",
    "RepositoryModelUnloadRequest": "repository_name 1 string, model_name 2 string,"
    " parameters 3 map:ModelRepositoryParameter",
    "RepositoryModelUnloadResponse": "",
}
#: Calls of the service; the messages of each are named after it.
CALLS: Final = (
    "ServerLive",
    "ServerReady",
    "ModelReady",
    "ServerMetadata",
    "ModelMetadata",
    "ModelInfer",
    "ModelStatistics",
    "RepositoryIndex",
    "RepositoryModelLoad",
    "RepositoryModelUnload",
)


@functools.cache
def message(name: str) -> Any:
    """The class of a message, like message("ModelInferRequest")."""
    return message_factory.GetMessageClass(_pool().FindMessageTypeByName(f"{PACKAGE}.{name}"))


@functools.cache
def _pool() -> Any:
    file = descriptor_pb2.FileDescriptorProto(name="soi_inference.proto", package=PACKAGE, syntax="proto3")
    made: dict[str, Any] = {}
    for name, text in _MESSAGES.items():
        outer, _, inner = name.rpartition(".")
        made[name] = (made[outer].nested_type if outer else file.message_type).add(name=inner)
        _add_fields(made[name], name, text)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file) if hasattr(pool, "Add") else pool.AddSerializedFile(file.SerializeToString())
    return pool


def _add_fields(made: Any, owner: str, text: str) -> None:
    in_choice = False
    for parts in _split(text):
        if parts[0] == "oneof":
            made.oneof_decl.add(name=parts[1])
            in_choice = True
            continue
        name, number, kind = parts
        field = made.field.add(name=name, number=int(number))
        if kind.startswith("map:"):
            _make_map(made, field, owner, kind.removeprefix("map:"))
        else:
            field.label = field.LABEL_REPEATED if kind.endswith("*") else field.LABEL_OPTIONAL
            _set_type(field, kind.rstrip("*"))
        if in_choice:
            field.oneof_index = 0


def _split(text: str) -> Iterator[list[str]]:
    yield from (part.split() for part in text.split(",") if part.strip())


def _set_type(field: Any, kind: str) -> None:
    if kind in _MESSAGES:
        field.type, field.type_name = field.TYPE_MESSAGE, f".{PACKAGE}.{kind}"
    else:
        field.type = getattr(field, f"TYPE_{kind.upper()}")


def _make_map(made: Any, field: Any, owner: str, kind: str) -> None:
    """A map field is a repeated entry message; its name follows protobuf's rule, which readers check."""
    entry_name = "".join(part.capitalize() for part in field.name.split("_")) + "Entry"
    entry = made.nested_type.add(name=entry_name)
    entry.options.map_entry = True
    for name, number, of in (("key", 1, "string"), ("value", 2, kind)):
        part = entry.field.add(name=name, number=number)
        part.label = part.LABEL_OPTIONAL
        _set_type(part, of)
    field.label, field.type = field.LABEL_REPEATED, field.TYPE_MESSAGE
    field.type_name = f".{PACKAGE}.{owner}.{entry_name}"
