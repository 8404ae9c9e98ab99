"""Every call of tritonclient over HTTP, blocking and asyncio, against the real server."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import tritonclient.http as blocking
import tritonclient.http.aio as asynchronous
from tritonclient.utils import InferenceServerException

from tests.inference.conftest import BRIGHT, IMAGE, png
from tests.oip.conftest import YES, Live


@pytest.fixture
def client(live: Live) -> Iterator[blocking.InferenceServerClient]:
    with blocking.InferenceServerClient(live.triton) as made:
        yield made


def fed(name: str, values: Any, datatype: str, *, binary: bool = True) -> blocking.InferInput:
    array = np.asarray(values)
    made = blocking.InferInput(name, list(array.shape), datatype)
    made.set_data_from_numpy(array, binary_data=binary)
    return made


def both(*, binary: bool = True) -> list[blocking.InferInput]:
    xs, ys = np.array([2.0, 0.0]), np.array([1.0, 1.0])
    return [fed("x", xs, "FP64", binary=binary), fed("y", ys, "FP64", binary=binary)]


def test_health_metadata_and_readiness(live: Live, client: blocking.InferenceServerClient) -> None:
    model, headers = live.add_model(), live.headers
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready(model, headers=headers)
    assert client.is_model_ready(model, "v1", headers=headers)
    assert not client.is_model_ready("nobody", headers=headers)
    assert not client.is_model_ready(model, "v9", headers=headers)
    found = client.get_server_metadata(headers=headers)
    assert (found["name"], "binary_tensor_data" in found["extensions"]) == ("soi", True)
    found = client.get_model_metadata(model, headers=headers)
    assert (found["versions"], [one["name"] for one in found["inputs"]]) == (["v1"], ["x", "y"])
    assert client.get_model_metadata(model, "v1", headers=headers) == found


@pytest.mark.parametrize("binary_in", [True, False], ids=["binary in", "json in"])
@pytest.mark.parametrize("binary_out", [True, False, None], ids=["binary out", "json out", "default out"])
def test_infer(live: Live, client: blocking.InferenceServerClient, binary_in: bool, binary_out: bool | None) -> None:
    model = live.add_model()
    outputs = None
    if binary_out is not None:
        outputs = [blocking.InferRequestedOutput(name, binary_data=binary_out) for name in ("score", "label")]
    found = client.infer(model, both(binary=binary_in), outputs=outputs, request_id="r1", headers=live.headers)
    # The client gives texts of JSON as text, and of binary data as bytes.
    assert found.as_numpy("label").tolist() == (["yes", "no"] if binary_out is False else [b"yes", b"no"])
    assert found.as_numpy("score").tolist() == pytest.approx([YES, YES], abs=1e-6)
    said = found.get_response()
    assert (said["model_name"], said["model_version"], said["id"]) == (model, "v1", "r1")
    names = [one["name"] for one in said["outputs"]]
    assert names == (["score", "label"] if outputs else ["label", "score", "scores", "status", "event_id"])
    assert (found.as_numpy("scores") is None) == bool(outputs)


@pytest.mark.parametrize("sent", [None, "gzip", "deflate"])
@pytest.mark.parametrize("accepted", [None, "gzip", "deflate"])
def test_compression_both_ways(
    live: Live, client: blocking.InferenceServerClient, sent: str | None, accepted: str | None
) -> None:
    table = np.tile(np.array([2.0, 1.0], dtype=np.float32), (60, 1))
    found = client.infer(
        live.add_model(),
        [fed("inputs", table, "FP32")],
        request_compression_algorithm=sent,
        response_compression_algorithm=accepted,
        headers=live.headers,
    )
    assert found.as_numpy("label").tolist() == [b"yes"] * 60
    assert found.as_numpy("scores").shape == (60, 2)


@pytest.mark.parametrize(
    ("datatype", "kind"),
    [
        ("BOOL", bool), ("INT8", np.int8), ("INT16", np.int16), ("INT32", np.int32), ("INT64", np.int64),
        ("UINT8", np.uint8), ("UINT16", np.uint16), ("UINT32", np.uint32), ("UINT64", np.uint64),
        ("FP16", np.float16), ("BF16", ml_dtypes.bfloat16), ("FP32", np.float32), ("FP64", np.float64),
    ],
)  # fmt: skip
def test_every_datatype_of_numbers_is_taken(
    live: Live, client: blocking.InferenceServerClient, datatype: str, kind: type
) -> None:
    columns = [fed(name, np.array(value, dtype=kind), datatype) for name, value in (("x", [1, 0]), ("y", [0, 1]))]
    found = client.infer(live.add_model(), columns, headers=live.headers)
    assert found.as_numpy("label").tolist() == [b"yes", b"no"]


def test_pictures_go_as_bytes(live: Live, client: blocking.InferenceServerClient) -> None:
    pictures = np.array([png(240), png(10)], dtype=object)
    found = client.infer(live.add_model(BRIGHT, IMAGE), [fed("image", pictures, "BYTES")], headers=live.headers)
    assert found.as_numpy("label").tolist() == [b"bright", b"dark"]


def test_parameters_name_the_subject_and_its_segments(live: Live, client: blocking.InferenceServerClient) -> None:
    model = live.add_model(segment_keys=["line"])
    named = {"subject_id": "board-17", "segments.line": "L1", "trace_id": "t1"}
    one = [fed("x", np.array([2.0]), "FP64"), fed("y", np.array([1.0]), "FP64")]
    client.infer(model, one, parameters=named, headers=live.headers)
    [event] = live.events(model)
    assert (event["subject_id"], event["trace_id"], event["seg_line"]) == ("board-17", "t1", "L1")


def test_async_infer_answers_later(live: Live, client: blocking.InferenceServerClient) -> None:
    waiting = client.async_infer(live.add_model(), both(), headers=live.headers)
    assert waiting.get_result().as_numpy("label").tolist() == [b"yes", b"no"]


def test_a_request_made_by_hand_is_what_the_client_would_send(live: Live) -> None:
    body, length = blocking.InferenceServerClient.generate_request_body(both())
    headers = {**live.headers, "Inference-Header-Content-Length": str(length)}
    with live.http() as http:
        answer = http.post(f"/v2/models/{live.add_model()}/infer", content=bytes(body), headers=headers)
    length = int(answer.headers.get("Inference-Header-Content-Length", 0)) or None
    found = blocking.InferenceServerClient.parse_response_body(answer.content, header_length=length)
    assert found.as_numpy("label").tolist() == [b"yes", b"no"]


def test_repository_and_statistics(live: Live, client: blocking.InferenceServerClient) -> None:
    model, headers = live.add_model(), live.headers
    client.infer(model, both(), headers=headers)
    [found] = client.get_inference_statistics(model, headers=headers)["model_stats"]
    assert (found["version"], found["inference_count"], found["inference_stats"]["success"]["count"]) == ("v1", 2, 1)
    assert client.get_inference_statistics(model, "v1", headers=headers)["model_stats"] == [found]
    assert found in client.get_inference_statistics(headers=headers)["model_stats"]
    listed = client.get_model_repository_index(headers=headers)
    assert {"name": model, "version": "v1", "state": "READY", "reason": ""} in listed
    client.unload_model(model, headers=headers)
    assert not client.is_model_ready(model, headers=headers)
    client.load_model(model, headers=headers)
    assert client.is_model_ready(model, headers=headers)
    with pytest.raises(InferenceServerException, match="register a version"):
        client.load_model(model, config="{}", headers=headers)


#: Calls for extensions that are not offered; each must be a clear error, and leave the connection usable.
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
def test_extensions_that_are_not_offered_are_clear_errors(client: blocking.InferenceServerClient, call: str) -> None:
    with pytest.raises(InferenceServerException, match="Not Found") as refused:
        NOT_OFFERED[call](client)
    assert refused.value.status() == "404"
    assert client.is_server_live()


def test_errors_are_read_by_the_client(live: Live, client: blocking.InferenceServerClient) -> None:
    model = live.add_model()
    wrong: list[tuple[dict[str, Any], str, str]] = [
        ({"model_name": "nobody", "inputs": both()}, "404", "no such model"),
        ({"model_name": model, "inputs": both(), "model_version": "v9"}, "404", "no such version"),
        ({"model_name": model, "inputs": both()[:1]}, "422", "'y' is missing"),
        ({"model_name": model, "inputs": both(), "outputs": [blocking.InferRequestedOutput("mood")]}, "422", "mood"),
        (
            {"model_name": model, "inputs": both(), "outputs": [blocking.InferRequestedOutput("label", class_count=2)]},
            "422",
            "classification",
        ),
        ({"model_name": model, "inputs": [fed("x", np.zeros(200_000), "FP64")]}, "413", "larger than"),
        ({"model_name": model, "inputs": [fed("x", np.array([1.0]), "FP64"), both()[1]]}, "422", "shape"),
    ]
    for call, status, reason in wrong:
        with pytest.raises(InferenceServerException, match=reason) as refused:
            client.infer(headers=live.headers, **call)
        assert refused.value.status() == status
    with pytest.raises(InferenceServerException, match="sign in, or send an API key"):
        client.infer(model, both())


def test_infinity_and_a_missing_value_that_nothing_fills_are_refused(
    live: Live, client: blocking.InferenceServerClient
) -> None:
    model = live.add_model()
    for value, reason in ((np.inf, "finite"), (np.nan, "'x' is missing")):
        pair = [fed("x", np.array([value]), "FP64"), fed("y", np.array([1.0]), "FP64")]
        with pytest.raises(InferenceServerException, match=reason):
            client.infer(model, pair, headers=live.headers)
    assert [event["status"] for event in live.events(model)] == ["rejected", "rejected"]


def test_every_call_with_asyncio(live: Live) -> None:
    model, headers = live.add_model(), live.headers

    async def calls() -> None:
        async with asynchronous.InferenceServerClient(live.triton) as client:
            assert await client.is_server_live()
            assert await client.is_server_ready()
            assert await client.is_model_ready(model, headers=headers)
            assert not await client.is_model_ready("nobody", headers=headers)
            assert (await client.get_server_metadata(headers=headers))["name"] == "soi"
            assert (await client.get_model_metadata(model, headers=headers))["name"] == model
            for packed in (None, "gzip", "deflate"):
                for binary in (True, False):
                    outputs = [asynchronous.InferRequestedOutput("label", binary_data=binary)]
                    found = await client.infer(
                        model,
                        both(binary=binary),
                        outputs=outputs,
                        headers=live.headers,
                        request_compression_algorithm=packed,
                        response_compression_algorithm=packed,
                    )
                    assert found.as_numpy("label").tolist() == ([b"yes", b"no"] if binary else ["yes", "no"])
            answers = await asyncio.gather(*(client.infer(model, both(), headers=headers) for _ in range(8)))
            assert [one.as_numpy("label").tolist() for one in answers] == [[b"yes", b"no"]] * 8
            counted = (await client.get_inference_statistics(model, headers=headers))["model_stats"]
            assert counted[0]["inference_stats"]["success"]["count"] == 14
            listed = await client.get_model_repository_index(headers=headers)
            assert [one["state"] for one in listed if one["name"] == model] == ["READY"]
            await client.unload_model(model, headers=headers)
            assert not await client.is_model_ready(model, headers=headers)
            await client.load_model(model, headers=headers)
            await refused(client.infer(model, both()[:1], headers=headers), "'y' is missing")
            await refused(client.get_model_config(model, headers=headers), "Not Found")

    asyncio.run(calls())


async def refused(call: Awaitable[Any], reason: str) -> None:
    with pytest.raises(InferenceServerException, match=reason):
        await call
