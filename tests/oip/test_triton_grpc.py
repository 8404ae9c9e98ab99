"""Every call of tritonclient over gRPC, blocking and asyncio, against the real server; and typed contents, which it
never sends, by hand."""

from __future__ import annotations

import asyncio
import queue
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import grpc
import ml_dtypes
import numpy as np
import pytest
import tritonclient.grpc as blocking
import tritonclient.grpc.aio as asynchronous
from tritonclient.grpc import service_pb2
from tritonclient.utils import InferenceServerException

from backend.oip import messages
from tests.inference.conftest import BRIGHT, HANGS, IMAGE, INVERTED, RAISES, png
from tests.oip.conftest import YES, Live


@pytest.fixture
def client(live: Live) -> Iterator[blocking.InferenceServerClient]:
    with blocking.InferenceServerClient(live.grpc) as made:
        yield made


@pytest.fixture
def ask(live: Live) -> Iterator[Callable[..., Any]]:
    """ask("ModelInfer", message) sends a message of tritonclient's own kind and reads the answer with it."""
    with grpc.insecure_channel(live.grpc) as channel:

        def call(name: str, message: Any, key: str = live.key) -> Any:
            answer = getattr(service_pb2, f"{name}Response")
            method = channel.unary_unary(
                f"/inference.GRPCInferenceService/{name}",
                request_serializer=lambda one: one.SerializeToString(),
                response_deserializer=answer.FromString,
            )
            return method(message, metadata=(("authorization", f"Bearer {key}"),), timeout=20)

        yield call


def fed(name: str, values: Any, datatype: str) -> blocking.InferInput:
    array = np.asarray(values)
    made = blocking.InferInput(name, list(array.shape), datatype)
    made.set_data_from_numpy(array)
    return made


def both() -> list[blocking.InferInput]:
    return [fed("x", np.array([2.0, 0.0]), "FP64"), fed("y", np.array([1.0, 1.0]), "FP64")]


def test_messages_are_those_of_the_protocol_field_by_field() -> None:
    theirs = service_pb2.DESCRIPTOR.message_types_by_name
    for name in messages._MESSAGES:
        first, *rest = name.split(".")
        peer = theirs[first]
        for part in rest:
            peer = peer.nested_types_by_name[part]
        for field in messages.message(name).DESCRIPTOR.fields:
            other = peer.fields_by_number[field.number]
            assert (field.name, field.type, field.is_repeated) == (other.name, other.type, other.is_repeated), name
    assert messages.message("ModelInferRequest").DESCRIPTOR.file.pool is not service_pb2.DESCRIPTOR.pool


def test_health_metadata_and_readiness(live: Live, client: blocking.InferenceServerClient) -> None:
    model, headers = live.add_model(), live.headers
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready(model, headers=headers)
    assert client.is_model_ready(model, "v1", headers=headers)
    assert client.is_model_ready("nobody", headers=headers) is False
    assert client.is_model_ready(model, "v9", headers=headers) is False
    found = client.get_server_metadata(headers=headers)
    assert (found.name, list(found.extensions)) == ("soi", ["binary_tensor_data", "model_repository", "statistics"])
    found = client.get_model_metadata(model, headers=headers)
    assert (found.name, list(found.versions), found.platform) == (model, ["v1"], "pytorch_libtorch")
    assert [(one.name, one.datatype, list(one.shape)) for one in found.inputs] == [
        ("x", "FP64", [-1]),
        ("y", "FP64", [-1]),
    ]
    assert [one.name for one in found.outputs] == ["label", "score", "scores", "status", "event_id"]
    assert client.get_model_metadata(model, "v1", headers=headers) == found
    assert client.get_model_metadata(model, headers=headers, as_json=True)["name"] == model


@pytest.mark.parametrize("packed", [None, "gzip", "deflate"])
def test_infer(live: Live, client: blocking.InferenceServerClient, packed: str | None) -> None:
    model = live.add_model()
    outputs = [blocking.InferRequestedOutput("score"), blocking.InferRequestedOutput("label")]
    found = client.infer(
        model, both(), outputs=outputs, request_id="r1", headers=live.headers, compression_algorithm=packed
    )
    assert found.as_numpy("label").tolist() == [b"yes", b"no"]
    assert found.as_numpy("score").tolist() == pytest.approx([YES, YES], abs=1e-6)
    said = found.get_response()
    assert (said.model_name, said.model_version, said.id) == (model, "v1", "r1")
    assert [one.name for one in said.outputs] == ["score", "label"]
    assert len(said.raw_output_contents) == 2
    assert client.infer(model, both(), headers=live.headers).as_numpy("scores").shape == (2, 2)


def test_events_shadows_and_versions_are_as_over_rest(live: Live, client: blocking.InferenceServerClient) -> None:
    model = live.add_model(segment_keys=["line"])
    live.add_version(model, "v2", INVERTED)
    live.roll_out(model, "v1", "v2")
    one = [fed("x", np.array([2.0]), "FP64"), fed("y", np.array([1.0]), "FP64")]
    named = {"subject_id": "board-17", "segments.line": "L1"}
    client.infer(model, one, request_id="r1", parameters=named, headers=live.headers)
    events = {event["role"]: event for event in live.events(model, 2)}
    assert {(e["subject_id"], e["request_id"], e["seg_line"]) for e in events.values()} == {("board-17", "r1", "L1")}
    assert (events["champion"]["prediction"], events["shadow"]["prediction"]) == ("yes", "no")
    found = client.infer(model, one, model_version="v2", headers=live.headers)
    assert (found.get_response().model_version, found.as_numpy("label").tolist()) == ("v2", [b"no"])
    assert [event["role"] for event in live.events(model)][2:] == ["canary"]


@pytest.mark.parametrize(
    ("datatype", "kind"),
    [
        ("BOOL", bool), ("INT8", np.int8), ("INT16", np.int16), ("INT32", np.int32), ("INT64", np.int64),
        ("UINT8", np.uint8), ("UINT16", np.uint16), ("UINT32", np.uint32), ("UINT64", np.uint64),
        ("FP16", np.float16), ("BF16", ml_dtypes.bfloat16), ("FP32", np.float32), ("FP64", np.float64),
    ],
)  # fmt: skip
def test_every_datatype_of_numbers_is_taken_raw(
    live: Live, client: blocking.InferenceServerClient, datatype: str, kind: type
) -> None:
    columns = [fed(name, np.array(value, dtype=kind), datatype) for name, value in (("x", [1, 0]), ("y", [0, 1]))]
    found = client.infer(live.add_model(), columns, headers=live.headers)
    assert found.as_numpy("label").tolist() == [b"yes", b"no"]


@pytest.mark.parametrize(
    ("datatype", "contents", "values"),
    [
        ("BOOL", "bool_contents", ([True], [False])),
        ("INT8", "int_contents", ([1], [-1])),
        ("INT64", "int64_contents", ([2**40], [-(2**40)])),
        ("UINT16", "uint_contents", ([2], [1])),
        ("UINT64", "uint64_contents", ([2], [1])),
        ("FP32", "fp32_contents", ([0.5], [0.25])),
        ("FP64", "fp64_contents", ([0.5], [0.25])),
    ],
)
def test_typed_contents_are_taken_and_answered_with_typed_contents(
    live: Live, ask: Callable[..., Any], datatype: str, contents: str, values: tuple[list[Any], list[Any]]
) -> None:
    asked = service_pb2.ModelInferRequest(model_name=live.add_model())
    for name, value in zip(("x", "y"), values, strict=True):
        one = asked.inputs.add(name=name, datatype=datatype, shape=[1])
        getattr(one.contents, contents).extend(value)
    answer = ask("ModelInfer", asked)
    assert len(answer.raw_output_contents) == 0
    outputs = {one.name: one.contents for one in answer.outputs}
    assert list(outputs["label"].bytes_contents) == [b"yes"]
    assert len(outputs["scores"].fp64_contents) == 2


def test_pictures_go_as_bytes(live: Live, client: blocking.InferenceServerClient, ask: Callable[..., Any]) -> None:
    model = live.add_model(BRIGHT, IMAGE)
    pictures = np.array([png(240), png(10)], dtype=object)
    found = client.infer(model, [fed("image", pictures, "BYTES")], headers=live.headers)
    assert found.as_numpy("label").tolist() == [b"bright", b"dark"]
    asked = service_pb2.ModelInferRequest(model_name=model)
    asked.inputs.add(name="image", datatype="BYTES", shape=[1]).contents.bytes_contents.append(png(10))
    assert list(ask("ModelInfer", asked).outputs[0].contents.bytes_contents) == [b"dark"]


def test_repository_and_statistics(live: Live, client: blocking.InferenceServerClient) -> None:
    model, headers = live.add_model(), live.headers
    client.infer(model, both(), headers=headers)
    [found] = client.get_inference_statistics(model, headers=headers).model_stats
    assert (found.version, found.inference_count, found.inference_stats.success.count) == ("v1", 2, 1)
    assert list(client.get_inference_statistics(model, "v1", headers=headers).model_stats) == [found]
    assert found in client.get_inference_statistics(headers=headers).model_stats
    listed = client.get_model_repository_index(headers=headers).models
    assert [(one.version, one.state, one.reason) for one in listed if one.name == model] == [("v1", "READY", "")]
    client.unload_model(model, headers=headers)
    assert client.is_model_ready(model, headers=headers) is False
    with pytest.raises(InferenceServerException, match="taken off serving") as refused:
        client.infer(model, both(), headers=headers)
    assert refused.value.status() == "StatusCode.UNAVAILABLE"
    client.load_model(model, headers=headers)
    assert client.is_model_ready(model, headers=headers)
    with pytest.raises(InferenceServerException, match="register a version"):
        client.load_model(model, config="{}", headers=headers)


def test_async_infer_answers_through_a_callback(live: Live, client: blocking.InferenceServerClient) -> None:
    answers: queue.Queue[Any] = queue.Queue()
    client.async_infer(
        live.add_model(), both(), lambda result, error: answers.put((result, error)), headers=live.headers
    )
    result, error = answers.get(timeout=20)
    assert error is None
    assert result.as_numpy("label").tolist() == [b"yes", b"no"]


#: Calls for extensions that are not offered.
NOT_OFFERED: dict[str, Callable[[Any], Any]] = {
    "config": lambda client: client.get_model_config("m"),
    "trace": lambda client: client.get_trace_settings(),
    "logging": lambda client: client.get_log_settings(),
    "set trace": lambda client: client.update_trace_settings(settings={"trace_rate": "1"}),
    "set logging": lambda client: client.update_log_settings({"log_info": False}),
    "system memory": lambda client: client.get_system_shared_memory_status(),
    "cuda memory": lambda client: client.get_cuda_shared_memory_status(),
    "register": lambda client: client.register_system_shared_memory("r", "/r", 64),
    "unregister": lambda client: client.unregister_system_shared_memory(),
}


@pytest.mark.parametrize("call", NOT_OFFERED)
def test_extensions_that_are_not_offered_are_unimplemented(client: blocking.InferenceServerClient, call: str) -> None:
    with pytest.raises(InferenceServerException) as refused:
        NOT_OFFERED[call](client)
    assert refused.value.status() == "StatusCode.UNIMPLEMENTED"


def test_streams_are_not_offered(live: Live, client: blocking.InferenceServerClient) -> None:
    answers: queue.Queue[Any] = queue.Queue()
    client.start_stream(lambda result, error: answers.put(error), headers=live.headers)
    assert answers.get(timeout=20).status() == "StatusCode.UNIMPLEMENTED"
    client.stop_stream()


def test_errors_have_their_status_and_reason(
    live: Live, client: blocking.InferenceServerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, empty, raises = live.add_model(), live.add_model(None), live.add_model(RAISES)
    wrong: list[tuple[dict[str, Any], str, str]] = [
        ({"model_name": "nobody", "inputs": both()}, "NOT_FOUND", "no such model"),
        ({"model_name": model, "inputs": both(), "model_version": "v9"}, "NOT_FOUND", "no such version"),
        ({"model_name": empty, "inputs": both()}, "FAILED_PRECONDITION", "no version answers"),
        ({"model_name": raises, "inputs": both()}, "INTERNAL", "out of order"),
        ({"model_name": model, "inputs": both()[:1]}, "INVALID_ARGUMENT", "'y' is missing"),
        ({"model_name": model, "inputs": []}, "INVALID_ARGUMENT", "no inputs"),
        ({"model_name": model, "inputs": [fed("x", np.zeros(200_000), "FP64")]},
         "RESOURCE_EXHAUSTED", "larger than max"),
        ({"model_name": model, "inputs": both(), "outputs": [blocking.InferRequestedOutput("mood")]},
         "INVALID_ARGUMENT", "mood"),
        ({"model_name": model, "inputs": both(), "outputs": [blocking.InferRequestedOutput("label", class_count=2)]},
         "INVALID_ARGUMENT", "classification"),
    ]  # fmt: skip
    for call, status, reason in wrong:
        with pytest.raises(InferenceServerException, match=reason) as refused:
            client.infer(headers=live.headers, **call)
        assert refused.value.status() == f"StatusCode.{status}", call
    monkeypatch.setattr(live.soi.settings, "predict_timeout_s", 0.05)
    with pytest.raises(InferenceServerException) as refused:
        client.infer(live.add_model(HANGS.replace("600000", "50000")), both(), headers=live.headers)
    assert refused.value.status() == "StatusCode.DEADLINE_EXCEEDED"


def test_keys_hold_as_over_rest(live: Live, client: blocking.InferenceServerClient) -> None:
    model, other = live.add_model(), live.add_model()
    cases: list[tuple[str, Callable[[dict[str, str]], Any], str]] = [
        ("", lambda headers: client.infer(model, both(), headers=headers), "UNAUTHENTICATED"),
        ("soi_wrong", lambda headers: client.get_model_metadata(model, headers=headers), "UNAUTHENTICATED"),
        (live.add_key("events:write"), lambda headers: client.infer(model, both(), headers=headers),
         "PERMISSION_DENIED"),
        (live.add_key("predict"), lambda headers: client.unload_model(model, headers=headers), "PERMISSION_DENIED"),
        (live.add_key("predict", models=[other]), lambda headers: client.infer(model, both(), headers=headers),
         "NOT_FOUND"),
    ]  # fmt: skip
    for key, call, status in cases:
        with pytest.raises(InferenceServerException) as refused:
            call({"authorization": f"Bearer {key}"} if key else {})
        assert refused.value.status() == f"StatusCode.{status}"
    assert client.is_model_ready(model, headers=live.headers)


WRONG_TENSORS: dict[str, tuple[dict[str, Any], dict[str, Any], list[bytes], str]] = {
    "contents of another type": ({}, {"int_contents": [1]}, [], "contents are int_contents"),
    "two contents": ({}, {"fp32_contents": [1], "fp64_contents": [1]}, [], "contents are fp32_contents, fp64"),
    "typed and raw": ({}, {"fp64_contents": [1]}, [bytes(8)], "typed contents and raw ones"),
    "raw contents for another number of inputs": ({}, {}, [bytes(8), bytes(8)], "2 raw contents are sent for 1"),
    "raw too short": ({}, {}, [bytes(7)], "7 bytes of data where its shape asks for 8"),
    "too few elements": ({"shape": [2]}, {"fp64_contents": [1]}, [], "1 elements where its shape asks for 2"),
    "too few texts": ({"datatype": "BYTES", "shape": [2]}, {"bytes_contents": [b"a"]}, [], "1 elements where"),
    "beyond INT8": ({"datatype": "INT8"}, {"int_contents": [128]}, [], "does not fit INT8"),
    "half precision typed": ({"datatype": "FP16"}, {"fp32_contents": [1]}, [], "FP16 has no typed contents"),
    "no datatype": ({"datatype": ""}, {"fp64_contents": [1]}, [], "datatype"),
    "negative size": ({"shape": [-1]}, {"fp64_contents": [1]}, [], "shape"),
    "no name": ({"name": ""}, {"fp64_contents": [1]}, [], "name"),
}


@pytest.mark.parametrize("case", WRONG_TENSORS)
def test_tensors_that_contradict_themselves_are_invalid_arguments(
    live: Live, ask: Callable[..., Any], case: str
) -> None:
    head, contents, raw, reason = WRONG_TENSORS[case]
    asked = service_pb2.ModelInferRequest(model_name=live.add_model(), raw_input_contents=raw)
    one = asked.inputs.add(**{"name": "x", "datatype": "FP64", "shape": [1], **head})
    if contents:
        one.contents.CopyFrom(service_pb2.InferTensorContents(**contents))
    with pytest.raises(grpc.RpcError) as refused:
        ask("ModelInfer", asked)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert reason in refused.value.details()


def test_a_mistake_of_the_server_tells_no_details(
    live: Live, client: blocking.InferenceServerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: Any) -> None:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr(live.soi.inference, "plan", broken)
    with pytest.raises(InferenceServerException) as refused:
        client.infer("m", both(), headers=live.headers)
    assert refused.value.status() == "StatusCode.INTERNAL"
    assert "secret" not in str(refused.value)


def test_every_call_with_asyncio(live: Live) -> None:
    model, headers = live.add_model(), live.headers

    async def calls() -> None:
        async with asynchronous.InferenceServerClient(live.grpc) as client:
            assert await client.is_server_live()
            assert await client.is_server_ready()
            assert await client.is_model_ready(model, headers=headers)
            assert not await client.is_model_ready("nobody", headers=headers)
            assert (await client.get_server_metadata(headers=headers)).name == "soi"
            assert (await client.get_model_metadata(model, headers=headers)).name == model
            for packed in (None, "gzip", "deflate"):
                outputs = [asynchronous.InferRequestedOutput("label")]
                found = await client.infer(
                    model, both(), outputs=outputs, headers=headers, compression_algorithm=packed
                )
                assert found.as_numpy("label").tolist() == [b"yes", b"no"]
            answers = await asyncio.gather(*(client.infer(model, both(), headers=headers) for _ in range(8)))
            assert [one.as_numpy("label").tolist() for one in answers] == [[b"yes", b"no"]] * 8
            counted = (await client.get_inference_statistics(model, headers=headers)).model_stats
            assert counted[0].inference_stats.success.count == 11
            listed = (await client.get_model_repository_index(headers=headers)).models
            assert [one.state for one in listed if one.name == model] == ["READY"]
            await client.unload_model(model, headers=headers)
            assert not await client.is_model_ready(model, headers=headers)
            await client.load_model(model, headers=headers)
            await refused(client.infer(model, both()[:1], headers=headers), "'y' is missing")
            await refused(client.get_model_config(model, headers=headers), "Method not found")

    asyncio.run(calls())


async def refused(call: Awaitable[Any], reason: str) -> None:
    with pytest.raises(InferenceServerException, match=reason):
        await call


def test_shares_hold_over_grpc(live: Live, client: blocking.InferenceServerClient) -> None:
    model = live.add_model()
    live.add_version(model, "v2", INVERTED)
    live.roll_out(model, "v1", canary={"v2": 0.5})
    said = {}
    for subject in (f"s{n}" for n in range(12)):
        inputs = [fed("x", np.array([2.0]), "FP64"), fed("y", np.array([1.0]), "FP64")]
        answer = client.infer(model, inputs, headers=live.headers, parameters={"subject_id": subject})
        version = answer.get_response().model_version
        assert answer.as_numpy("label").tolist() == [b"yes" if version == "v1" else b"no"]
        said[subject] = version
    assert set(said.values()) == {"v1", "v2"}
    assert {one["subject_id"]: one["version"] for one in live.events(model)} == said
