"""The protocol over REST, asked with plain HTTP: shapes of answers, events, shadows, and every way to be refused."""

from __future__ import annotations

import base64
import gzip
import json
import struct
import zlib
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.inference.conftest import BRIGHT, HANGS, IMAGE, INVERTED, NOT_A_NUMBER, RAISES, png
from tests.oip.conftest import YES, Live, row_of, tensor

Post = Callable[..., httpx.Response]


def by_name(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    return {one["name"]: one for one in answer.json()["outputs"]}


def test_the_champion_answers_with_label_score_and_scores_and_the_event_is_stored(live: Live, post: Post) -> None:
    model = live.add_model()
    body = {"id": "r1", "parameters": {"subject_id": "s1", "segments.line": "L1"}, **row_of(2, 1)}
    answer = post(model, body)
    said = answer.json()
    assert (said["model_name"], said["model_version"], said["id"]) == (model, "v1", "r1")
    outputs = by_name(answer)
    assert outputs["label"] == {"name": "label", "datatype": "BYTES", "shape": [1], "data": ["yes"]}
    assert outputs["scores"]["shape"] == [1, 2]
    assert outputs["scores"]["data"] == pytest.approx([1 - YES, YES], abs=1e-6)
    assert outputs["score"]["data"] == pytest.approx([YES], abs=1e-6)
    [event] = live.events(model)
    assert [event["event_id"]] == outputs["event_id"]["data"]
    assert (event["role"], event["status"], event["prediction"], event["request_id"], event["subject_id"]) == (
        "champion", "ok", "yes", "r1", "s1",
    )  # fmt: skip
    assert (event["in_x"], event["in_y"]) == (2, 1)
    assert json.loads(event["extra"])["segments"] == {"line": "L1"}


def test_several_items_are_answered_in_their_order_and_each_is_an_event_of_its_own(live: Live, post: Post) -> None:
    model = live.add_model()
    table = tensor("inputs", [[2, 1], [1, 2], [5, 0]], "FP32", [3, 2])
    outputs = by_name(post(model, {"id": "r", "inputs": [table, tensor("subject_id", ["a", "b", "c"], "BYTES")]}))
    assert outputs["label"]["data"] == ["yes", "no", "yes"]
    events = {event["event_id"]: event for event in live.events(model)}
    assert [events[one]["subject_id"] for one in outputs["event_id"]["data"]] == ["a", "b", "c"]
    assert [events[one]["request_id"] for one in outputs["event_id"]["data"]] == ["r/0", "r/1", "r/2"]
    assert [events[one]["in_x"] for one in outputs["event_id"]["data"]] == [2, 1, 5]


def test_shadows_see_the_same_items_and_their_answers_stay_inside(live: Live, post: Post) -> None:
    model = live.add_model()
    live.add_version(model, "v2", INVERTED)
    live.roll_out(model, "v1", "v2")
    assert by_name(post(model, row_of(2, 1)))["label"]["data"] == ["yes"]
    told = {(e["role"], e["version"]): (e["prediction"], e["champion_prediction"]) for e in live.events(model, 2)}
    assert told == {("champion", "v1"): ("yes", None), ("shadow", "v2"): ("no", "yes")}


def test_a_version_asked_for_by_name_answers_as_a_canary_without_shadows(live: Live, post: Post) -> None:
    model = live.add_model()
    live.add_version(model, "v2", INVERTED)
    live.roll_out(model, "v1", "v2")
    with live.http() as http:
        answer = http.post(f"/v2/models/{model}/versions/v2/infer", json=row_of(2, 1))
        same = http.post(f"/v2/models/{model}/versions/v1/infer", json=row_of(2, 1))
    assert (answer.json()["model_version"], by_name(answer)["label"]["data"]) == ("v2", ["no"])
    assert by_name(same)["label"]["data"] == ["yes"]
    assert sorted((e["role"], e["version"]) for e in live.events(model, 3)) == [
        ("canary", "v2"), ("champion", "v1"), ("shadow", "v2"),
    ]  # fmt: skip


def test_outputs_are_those_asked_for_in_that_order(live: Live, post: Post) -> None:
    model = live.add_model()
    answer = post(model, {**row_of(2, 1), "outputs": [{"name": "score"}, {"name": "label"}]})
    assert [one["name"] for one in answer.json()["outputs"]] == ["score", "label"]


@pytest.mark.parametrize("as_hash", [False, True], ids=["sent", "uploaded before"])
def test_a_picture_is_judged_and_kept_for_people(live: Live, post: Post, as_hash: bool) -> None:
    model = live.add_model(BRIGHT, IMAGE)
    sent = [png(10), png(240)]
    texts = [live.soi.artifacts.put(one) if as_hash else base64.b64encode(one).decode() for one in sent]
    image = {**tensor("image", texts, "BYTES"), "parameters": {} if as_hash else {"content_type": "base64"}}
    assert by_name(post(model, {"inputs": [image]}))["label"]["data"] == ["dark", "bright"]
    for event, data in zip(live.events(model), sent, strict=True):
        assert live.soi.artifacts.get(event["artifacts"][0]) == data


def test_a_number_and_a_missing_value_are_answered_as_they_are(live: Live, post: Post) -> None:
    signature = {"input": {"kind": "tabular", "features": [{"name": "x", "fill": 3.0}, "y"]}}
    model = live.add_model("    return x[:, 0:1] * 10.0 + x[:, 1:2]", signature)
    raw = struct.pack("<2d", float("nan"), 5.0)
    head = {
        "inputs": [
            {"name": "x", "shape": [2], "datatype": "FP64", "parameters": {"binary_data_size": 16}},
            tensor("y", [1, 2]),
        ]
    }
    text = json.dumps(head).encode()
    answer = post(model, content=text + raw, headers={"Inference-Header-Content-Length": str(len(text))})
    assert by_name(answer)["value"]["data"] == [31.0, 52.0]
    assert [event["in_x"] for event in live.events(model)] == [None, 5.0]


def test_binary_data_in_and_out(live: Live, post: Post) -> None:
    model = live.add_model()
    head = {
        "inputs": [
            {"name": "x", "shape": [2], "datatype": "FP32", "parameters": {"binary_data_size": 8}},
            {"name": "y", "shape": [2, 1], "datatype": "INT64", "parameters": {"binary_data_size": 16}},
        ],
        "outputs": [{"name": "label"}, {"name": "score", "parameters": {"binary_data": False}}],
        "parameters": {"binary_data_output": True},
    }
    text = json.dumps(head).encode()
    body = text + struct.pack("<2f", 2, 0) + struct.pack("<2q", 1, 1)
    answer = post(model, content=body, headers={"Inference-Header-Content-Length": str(len(text))})
    length = int(answer.headers["Inference-Header-Content-Length"])
    assert answer.headers["content-type"] == "application/octet-stream"
    label, score = json.loads(answer.content[:length])["outputs"]
    assert label["parameters"] == {"binary_data_size": 4 + 3 + 4 + 2}
    assert "data" not in label
    assert answer.content[length:] == b"\x03\0\0\0yes\x02\0\0\0no"
    assert score["data"] == pytest.approx([YES, YES], abs=1e-6)


@pytest.mark.parametrize(
    ("name", "packed"),
    [
        ("gzip", gzip.compress),
        ("deflate", zlib.compress),
        ("deflate", lambda body: zlib.compress(body, wbits=-15)),
        ("identity", bytes),
    ],
    ids=["gzip", "zlib", "bare deflate", "plain"],
)
def test_packed_bodies_are_read(live: Live, post: Post, name: str, packed: Callable[[bytes], bytes]) -> None:
    model = live.add_model()
    body = packed(json.dumps(row_of(2, 1)).encode())
    assert by_name(post(model, content=body, headers={"Content-Encoding": name}))["label"]["data"] == ["yes"]


@pytest.mark.parametrize("accepted", ["gzip", "deflate", "br;q=1.0, gzip;q=0", ""])
def test_long_answers_are_packed_as_the_caller_accepts_it(live: Live, post: Post, accepted: str) -> None:
    model = live.add_model()
    table = tensor("inputs", [2.0, 1.0] * 50, "FP64", [50, 2])
    answer = post(model, {"inputs": [table]}, headers={"Accept-Encoding": accepted})
    assert answer.headers.get("content-encoding") == (accepted if accepted in ("gzip", "deflate") else None)
    assert by_name(answer)["label"]["data"] == ["yes"] * 50


BF16_JSON = {"inputs": [tensor("x", [1.0], "BF16"), tensor("y", [1.0])]}
REFUSED: dict[str, tuple[Any, int, str]] = {
    "no object": ([], 400, "no JSON object"),
    "no inputs": ({}, 400, "no list of inputs"),
    "empty inputs": ({"inputs": []}, 400, "no inputs"),
    "input is no object": ({"inputs": [1]}, 400, "no object"),
    "no name": ({"inputs": [{"shape": [1], "datatype": "FP32", "data": [1]}]}, 400, "name"),
    "unknown datatype": ({"inputs": [tensor("x", [1], "FP128")]}, 400, "datatype"),
    "BF16 in JSON": (BF16_JSON, 400, "BF16 has no JSON form"),
    "FP16 in JSON": ({"inputs": [tensor("x", [1.0], "FP16")]}, 400, "FP16 has no JSON form"),
    "shape is no list": ({"inputs": [{**tensor("x", [1]), "shape": 1}]}, 400, "shape"),
    "negative size": ({"inputs": [tensor("x", [1], shape=[-1])]}, 400, "shape"),
    "huge shape": ({"inputs": [tensor("x", [1], shape=[2**20, 2**20])]}, 400, "elements"),
    "too few elements": ({"inputs": [tensor("x", [1], shape=[2])]}, 400, "1 elements where its shape asks for 2"),
    "nested unlike its shape": ({"inputs": [tensor("x", [[1, 2], [3]], shape=[2, 2])]}, 400, "nested"),
    "text in numbers": ({"inputs": [tensor("x", ["1"])]}, 400, "no FP64: str"),
    "null in numbers": ({"inputs": [tensor("x", [None])]}, 400, "no FP64: NoneType"),
    "true in numbers": ({"inputs": [tensor("x", [True], "INT32")]}, 400, "no INT32: bool"),
    "fraction in whole numbers": ({"inputs": [tensor("x", [1.5], "INT32")]}, 400, "no INT32: float"),
    "beyond INT8": ({"inputs": [tensor("x", [128], "INT8")]}, 400, "does not fit INT8"),
    "below UINT8": ({"inputs": [tensor("x", [-1], "UINT8")]}, 400, "does not fit UINT8"),
    "beyond FP32": ({"inputs": [tensor("x", [1e39], "FP32")]}, 400, "does not fit FP32"),
    "number in texts": ({"inputs": [tensor("x", [1], "BYTES")]}, 400, "no BYTES: int"),
    "input twice": ({"inputs": [tensor("x", [1]), tensor("x", [1])]}, 400, "twice"),
    "id is no text": ({**row_of(1, 1), "id": 5}, 400, "id is no text"),
    "long id": ({**row_of(1, 1), "id": "x" * 151}, 400, "150 characters"),
    "outputs are no list": ({**row_of(1, 1), "outputs": {}}, 400, "outputs is no list"),
    "unknown output": ({**row_of(1, 1), "outputs": [{"name": "mood"}]}, 422, "no output 'mood'"),
    "output twice": ({**row_of(1, 1), "outputs": [{"name": "label"}] * 2}, 400, "twice"),
    "binary_data is no boolean": (
        {**row_of(1, 1), "outputs": [{"name": "label", "parameters": {"binary_data": 1}}]}, 400, "binary_data",
    ),
    "classification": (
        {**row_of(1, 1), "outputs": [{"name": "label", "parameters": {"classification": 2}}]}, 422, "not offered",
    ),
    "shared memory": (
        {"inputs": [{**tensor("x", [1]), "parameters": {"shared_memory_region": "r"}}]}, 422, "not offered",
    ),
    "parameters are no object": ({**row_of(1, 1), "parameters": []}, 400, "parameters"),
    "binary data without a header": (
        {"inputs": [{"name": "x", "shape": [1], "datatype": "FP32", "parameters": {"binary_data_size": 4}}]},
        400, "ends before its 4 bytes",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_a_body_that_is_no_request_is_refused_with_its_reason(live: Live, post: Post, case: str) -> None:
    body, status, reason = REFUSED[case]
    answer = post(live.add_model(), body)
    assert answer.status_code == status, answer.text
    assert set(answer.json()) == {"error"}
    assert reason in answer.json()["error"]


UNFIT: dict[str, tuple[list[Any], str]] = {
    "unknown input": ([tensor("z", [1])], "no input 'z'"),
    "missing input": ([tensor("x", [1])], "'y' is missing"),
    "two sizes": ([tensor("x", [1, 2]), tensor("y", [1])], "shape [1] where [2]"),
    "wide column": ([tensor("x", [1, 2], shape=[1, 2]), tensor("y", [1])], "shape [1, 2]"),
    "no items": ([tensor("x", [], shape=[0])], "1 to 1000 items"),
    "scalar": ([tensor("x", [1], shape=[]) | {"shape": []}], "1 to 1000 items"),
    "wide table": ([tensor("inputs", [1, 2, 3], shape=[1, 3])], "[-1, 2] is taken"),
    "text for a number": ([tensor("x", ["high"], "BYTES"), tensor("y", ["low"], "BYTES")], "not a number"),
    "subjects of another number": ([*row_of(1, 2)["inputs"], tensor("subject_id", ["a", "b"], "BYTES")], "1 texts"),
    "NUL in a text": ([*row_of(1, 2)["inputs"], tensor("subject_id", ["a\0"], "BYTES")], "NUL"),
}


@pytest.mark.parametrize("case", UNFIT)
def test_a_request_that_does_not_fit_the_version_is_a_422_and_logged_as_rejected(
    live: Live, post: Post, case: str
) -> None:
    inputs, reason = UNFIT[case]
    model = live.add_model()
    answer = post(model, {"id": "r1", "inputs": inputs})
    assert answer.status_code == 422, answer.text
    assert reason in answer.json()["error"]
    [event] = live.events(model)
    assert (event["status"], event["request_id"], event["prediction"]) == ("rejected", "r1", None)
    assert reason in event["error"]


PICTURES: dict[str, tuple[list[Any], str]] = {
    "number": ([tensor("image", [1], "INT32")], "INT32 where BYTES"),
    "absent": ([tensor("picture", ["x"], "BYTES")], "no input 'picture'"),
    "no picture": ([tensor("image", ["hello"], "BYTES")], "neither PNG"),
    "not stored": ([tensor("image", ["0" * 64], "BYTES")], "not stored"),
    "no base64": ([{**tensor("image", ["%"], "BYTES"), "parameters": {"content_type": "base64"}}], "base64"),
}


@pytest.mark.parametrize("case", PICTURES)
def test_what_is_no_picture_is_a_422_and_logged_as_rejected(live: Live, post: Post, case: str) -> None:
    inputs, reason = PICTURES[case]
    model = live.add_model(BRIGHT, IMAGE)
    answer = post(model, {"inputs": inputs})
    assert answer.status_code == 422, answer.text
    assert reason in answer.json()["error"]
    assert [event["status"] for event in live.events(model)] == ["rejected"]


def test_half_a_picture_is_refused(live: Live, post: Post) -> None:
    model = live.add_model(BRIGHT, IMAGE)
    half = base64.b64encode(png(10)[:40]).decode()
    answer = post(model, {"inputs": [{**tensor("image", [half], "BYTES"), "parameters": {"content_type": "base64"}}]})
    assert (answer.status_code, "picture cannot be used" in answer.json()["error"]) == (422, True)


def test_one_item_that_does_not_fit_refuses_all_and_every_event_says_so(live: Live, post: Post) -> None:
    model = live.add_model(RAISES)
    answer = post(model, {"inputs": [tensor("inputs", [[0, 0], [1, 1], [0, 0]], "FP64", [3, 2])]})
    assert answer.status_code == 502
    assert "item 1" in answer.json()["error"]
    events = live.events(model)
    assert [event["status"] for event in events] == ["error"] * 3
    assert [event["prediction"] for event in events] == [None] * 3
    assert "out of order" in events[1]["error"]
    assert events[0]["error"].startswith("not answered because of item 1")


@pytest.mark.parametrize(
    ("header", "reason"),
    [("9999", "no length within"), ("-1", "no length within"), ("ten", "no length within"), ("3", "not valid JSON")],
)
def test_a_wrong_length_of_the_json_is_refused(live: Live, post: Post, header: str, reason: str) -> None:
    answer = post(
        live.add_model(),
        content=json.dumps(row_of(1, 2)).encode(),
        headers={"Inference-Header-Content-Length": header},
    )
    assert answer.status_code == 400
    assert reason in answer.json()["error"]


@pytest.mark.parametrize(
    ("datatype", "size", "raw", "reason"),
    [
        ("FP32", 4, b"\0\0\0", "ends before its 4 bytes"),
        ("FP32", 3, b"\0\0\0", "3 bytes of data where its shape asks for 4"),
        ("FP32", 4, b"\0\0\0\0\0", "1 bytes of binary data that belong to no input"),
        ("FP32", -4, b"\0\0\0\0", "no whole number"),
        ("FP32", "4", b"\0\0\0\0", "no whole number"),
        ("BYTES", 3, b"\x01\0\0", "end before its 1 elements"),
        ("BYTES", 5, b"\x02\0\0\0a", "end within an element"),
        ("BYTES", 6, b"\x01\0\0\0ab", "1 bytes of data more"),
    ],
)
def test_truncated_or_overlong_binary_data_are_refused(
    live: Live, post: Post, datatype: str, size: Any, raw: bytes, reason: str
) -> None:
    head = {"inputs": [{"name": "x", "shape": [1], "datatype": datatype, "parameters": {"binary_data_size": size}}]}
    text = json.dumps(head).encode()
    answer = post(live.add_model(), content=text + raw, headers={"Inference-Header-Content-Length": str(len(text))})
    assert answer.status_code == 400, answer.text
    assert reason in answer.json()["error"]


@pytest.mark.parametrize(
    ("encoding", "body", "status"),
    [
        ("gzip", b"plain", 400),
        ("gzip", gzip.compress(b"{}")[:-4], 400),
        ("deflate", b"plain", 400),
        ("br", b"plain", 415),
        ("gzip", gzip.compress(bytes(2**20 + 1)), 413),
        ("", bytes(2**20 + 1), 413),
        ("", b'{"inputs": NaN}', 400),
        ("", b"[" * 5000, 400),
        ("", b"", 400),
    ],
    ids=["no gzip", "half", "no deflate", "brotli", "bomb", "oversize", "NaN", "deep", "empty"],
)
def test_bodies_that_cannot_be_read_are_refused(
    live: Live, post: Post, encoding: str, body: bytes, status: int
) -> None:
    answer = post(live.add_model(), content=body, headers={"Content-Encoding": encoding} if encoding else {})
    assert answer.status_code == status, answer.text
    assert isinstance(answer.json()["error"], str)


@pytest.mark.parametrize(("source", "status"), [(NOT_A_NUMBER, 502), (RAISES, 502)], ids=["not a number", "raises"])
def test_a_version_that_fails_is_a_502_and_logged(live: Live, post: Post, source: str, status: int) -> None:
    model = live.add_model(source)
    answer = post(model, row_of(2, 1))
    assert answer.status_code == status
    [event] = live.events(model)
    assert (event["status"], event["error"]) == ("error", answer.json()["error"])


def test_a_version_that_hangs_is_a_504(live: Live, post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live.soi.settings, "predict_timeout_s", 0.05)
    model = live.add_model(HANGS.replace("600000", "50000"))
    answer = post(model, row_of(2, 1))
    assert (answer.status_code, "no answer within" in answer.json()["error"]) == (504, True)
    assert [event["status"] for event in live.events(model)] == ["timeout"]


def test_every_error_under_v2_is_one_text_and_elsewhere_it_is_not(live: Live, post: Post) -> None:
    model, empty = live.add_model(), live.add_model(None)
    cases = {
        ("GET", "/v2/nothing"): 404,
        ("GET", "/v2/models/nobody"): 404,
        ("GET", "/v2/models/nobody/ready"): 404,
        ("GET", "/v2/models/nobody/stats"): 404,
        ("GET", f"/v2/models/{model}/versions/v9"): 404,
        ("GET", f"/v2/models/{model}/versions/v9/ready"): 404,
        ("POST", f"/v2/models/{model}/versions/v9/infer"): 404,
        ("POST", "/v2/repository/models/nobody/load"): 404,
        ("POST", "/v2/repository/models/nobody/unload"): 404,
        ("GET", f"/v2/models/{empty}"): 409,
        ("GET", f"/v2/models/{empty}/ready"): 409,
        ("GET", f"/v2/models/{model}/infer"): 405,
        ("DELETE", f"/v2/models/{model}"): 405,
        ("POST", "/v2/health/live"): 405,
        ("GET", "/v2/models/a%00b"): 400,
    }
    with live.http() as http:
        for (method, path), status in cases.items():
            answer = http.request(method, path, json=row_of(1, 2) if path.endswith("infer") else None)
            assert (answer.status_code, list(answer.json())) == (status, ["error"]), (method, path, answer.text)
            assert isinstance(answer.json()["error"], str)
        assert http.get("/v1/nothing").json()["error"]["code"] == "not_found"
    with httpx.Client(base_url=live.rest, trust_env=False) as stranger:
        answer = stranger.post(f"/v2/models/{model}/infer", json=row_of(1, 2))
        assert (answer.status_code, isinstance(answer.json()["error"], str)) == (401, True)
        assert stranger.get("/v2").status_code == 401


def test_a_mistake_of_the_server_is_a_500_in_the_shape_of_its_protocol(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: Any) -> None:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr(live.soi.inference, "plan", broken)
    with live.http() as http:
        theirs = http.post("/v2/models/m/infer", json=row_of(1, 2))
        ours = http.post("/v1/models/m/predict", json={"inputs": {"x": 1}})
    assert (theirs.status_code, isinstance(theirs.json()["error"], str)) == (500, True)
    assert (ours.status_code, ours.json()["error"]["code"]) == (500, "internal")
    assert "secret" not in theirs.text + ours.text


def test_a_key_for_other_models_meets_no_such_model(live: Live) -> None:
    mine, other = live.add_model(), live.add_model()
    narrow = {"Authorization": f"Bearer {live.add_key('predict', models=[mine])}"}
    with httpx.Client(base_url=live.rest, trust_env=False, headers=narrow) as http:
        assert http.post(f"/v2/models/{mine}/infer", json=row_of(2, 1)).status_code == 200
        for path in (f"/v2/models/{other}", f"/v2/models/{other}/ready", f"/v2/models/{other}/stats"):
            assert http.get(path).status_code == 404
        assert http.post(f"/v2/models/{other}/infer", json=row_of(2, 1)).status_code == 404
        assert [one["name"] for one in http.post("/v2/repository/index").json()] == [mine]
        assert [one["name"] for one in http.get("/v2/models/stats").json()["model_stats"]] == [mine]
        assert http.post(f"/v2/repository/models/{mine}/unload").status_code == 403


def test_metadata_tell_what_a_version_takes_and_gives(live: Live) -> None:
    features = ["x", {"name": "n"}, {"name": "flag"}, {"name": "country", "categories": ["vn", "jp"]}]
    declared = [{"name": "n", "type": "integer"}, {"name": "flag", "type": "boolean"}]
    signature = {"input": {"kind": "tabular", "features": features}, "outputs": ["no", "yes"]}
    tabular = live.add_model(b"no model", signature, inputs=declared)
    golden = {**IMAGE["input"], "channels": 2, "with_golden": True}
    image = live.add_model(b"no model", {"input": golden, "outputs": ["ok", "open", "short"]})
    with live.http() as http:
        found = http.get(f"/v2/models/{tabular}").json()
        assert (found["name"], found["versions"], found["platform"]) == (tabular, ["v1"], "pytorch_libtorch")
        assert [(one["name"], one["datatype"], one["shape"]) for one in found["inputs"]] == [
            ("x", "FP64", [-1]), ("n", "INT64", [-1]), ("flag", "BOOL", [-1]), ("country", "BYTES", [-1]),
        ]  # fmt: skip
        assert [(one["name"], one["datatype"], one["shape"]) for one in found["outputs"]] == [
            ("label", "BYTES", [-1]), ("score", "FP64", [-1]), ("scores", "FP64", [-1, 2]), ("status", "BYTES", [-1]),
            ("event_id", "BYTES", [-1]),
        ]  # fmt: skip
        found = http.get(f"/v2/models/{image}/versions/v1").json()
        assert [one["name"] for one in found["inputs"]] == ["image", "golden"]
        assert found["outputs"][2]["shape"] == [-1, 3]


def test_inputs_of_every_declared_type_are_logged_as_such(live: Live, post: Post) -> None:
    features = ["x", {"name": "n"}, {"name": "flag"}, {"name": "country", "categories": ["vn", "jp"]}]
    declared = [
        {"name": "x", "type": "number"},
        {"name": "n", "type": "integer"},
        {"name": "flag", "type": "boolean"},
        {"name": "country", "type": "string"},
    ]
    signature = {"input": {"kind": "tabular", "features": features}}
    weights = "    return (x * torch.tensor([1.0, 10.0, 100.0, 1000.0])).sum(dim=1, keepdim=True)"
    model = live.add_model(weights, signature, inputs=declared)
    inputs = [
        tensor("x", [0.5]),
        tensor("n", [3.0]),
        tensor("flag", [True], "BOOL"),
        tensor("country", ["jp"], "BYTES"),
    ]
    assert by_name(post(model, {"inputs": inputs}))["value"]["data"] == [1130.5]
    [event] = live.events(model)
    assert (event["in_x"], event["in_n"], event["in_flag"], event["in_country"]) == (0.5, 3, True, "jp")


def test_load_and_unload_hold_for_every_way_in_and_are_in_the_audit_trail(live: Live, post: Post) -> None:
    model = live.add_model()
    with live.http() as http:
        assert post(model, row_of(2, 1)).status_code == 200
        assert http.post(f"/v2/repository/models/{model}/unload", json={"parameters": {}}).status_code == 200
        for answer in (
            post(model, row_of(2, 1)),
            http.get(f"/v2/models/{model}/ready"),
            http.get(f"/v2/models/{model}"),
            http.post(f"/v1/models/{model}/predict", json={"inputs": {"x": 2, "y": 1}}),
        ):
            assert answer.status_code == 503
            assert "taken off serving" in answer.text
        index = {one["name"]: one for one in http.post("/v2/repository/index").json()}
        assert (index[model]["state"], index[model]["reason"]) == ("UNAVAILABLE", "taken off serving")
        ready = http.post("/v2/repository/index", json={"ready": True}).json()
        assert model not in [one["name"] for one in ready]
        assert http.post(f"/v2/repository/models/{model}/load").status_code == 200
        assert post(model, row_of(2, 1)).status_code == 200
        assert http.get(f"/v2/models/{model}/ready").json() == {"name": model, "ready": True}
    from db.repositories import audit

    with live.soi.database.read() as session:
        lines = [line.action for line in audit.list_entries(session) if line.target == f"model:{model}"]
    assert lines == ["model.loaded", "model.unloaded"]


def test_a_version_that_cannot_be_loaded_is_not_ready_and_says_why(live: Live) -> None:
    model = live.add_model(b"\x80\x04not a model")
    with live.http() as http:
        ready = http.get(f"/v2/models/{model}/ready")
        assert (ready.status_code, "cannot be used" in ready.json()["error"]) == (503, True)
        index = {one["name"]: one for one in http.post("/v2/repository/index", content=b"").json()}
        assert index[model]["state"] == "UNAVAILABLE"
        assert "cannot be used" in index[model]["reason"]
        assert http.post(f"/v2/repository/models/{model}/load").status_code == 502
        sent = http.post(f"/v2/repository/models/{model}/load", json={"parameters": {"config": "{}"}})
        assert (sent.status_code, "register a version" in sent.json()["error"]) == (422, True)


def test_statistics_count_requests_items_and_failures(live: Live, post: Post) -> None:
    model = live.add_model()
    post(model, row_of(2, 1))
    post(model, {"inputs": [tensor("inputs", [1, 2] * 3, shape=[3, 2])]})
    post(model, {"inputs": [tensor("x", [1])]})
    with live.http() as http:
        http.post(f"/v1/models/{model}/predict", json={"inputs": {"x": 2, "y": 1}})
        [found] = http.get(f"/v2/models/{model}/stats").json()["model_stats"]
        assert http.get(f"/v2/models/{model}/versions/v1/stats").json()["model_stats"] == [found]
        assert http.get(f"/v2/models/{live.add_model()}/stats").json() == {"model_stats": []}
    assert (found["name"], found["version"], found["inference_count"], found["execution_count"]) == (model, "v1", 5, 5)
    spent = found["inference_stats"]
    assert {name: one["count"] for name, one in spent.items()} == {
        "success": 3, "fail": 1, "queue": 3, "compute_input": 3, "compute_infer": 3, "compute_output": 3,
        "cache_hit": 0, "cache_miss": 0,
    }  # fmt: skip
    inside = sum(spent[name]["ns"] for name in ("compute_input", "compute_infer", "compute_output"))
    assert 0 < inside < spent["success"]["ns"]


def test_the_items_of_a_request_are_given_to_versions_each_by_its_subject(live: Live, post: Post) -> None:
    model = live.add_model()
    live.add_version(model, "v2", INVERTED)
    live.roll_out(model, "v1", canary={"v2": 0.5})
    subjects = [f"s{n}" for n in range(12)]
    table = tensor("inputs", [[2, 1]] * 12, "FP32", [12, 2])
    answer = post(model, {"id": "r", "inputs": [table, tensor("subject_id", subjects, "BYTES")]})
    labels = by_name(answer)["label"]["data"]
    assert set(labels) == {"yes", "no"}
    events = {one["event_id"]: one for one in live.events(model)}
    told = [events[one] for one in by_name(answer)["event_id"]["data"]]
    assert [one["subject_id"] for one in told] == subjects
    assert {(one["version"], one["role"], one["prediction"], one["assignment_probability"]) for one in told} == {
        ("v1", "champion", "yes", 0.5), ("v2", "canary", "no", 0.5),
    }  # fmt: skip
    for subject, label in zip(subjects, labels, strict=True):
        alone = post(model, {"parameters": {"subject_id": subject}, **row_of(2, 1)})
        assert by_name(alone)["label"]["data"] == [label]
        assert alone.json()["model_version"] == ("v1" if label == "yes" else "v2")
    named = post(f"{model}/versions/v1", {"parameters": {"subject_id": subjects[labels.index("no")]}, **row_of(2, 1)})
    assert by_name(named)["label"]["data"] == ["yes"]


def test_an_item_whose_challenger_fails_is_answered_by_the_champion_beside_the_others(live: Live, post: Post) -> None:
    model = live.add_model()
    live.add_version(model, "v2", RAISES)
    live.roll_out(model, "v1", canary={"v2": 0.5})
    subjects = [f"s{n}" for n in range(12)]
    table = tensor("inputs", [[2, 1]] * 12, "FP32", [12, 2])
    answer = post(model, {"inputs": [table, tensor("subject_id", subjects, "BYTES")]})
    assert by_name(answer)["label"]["data"] == ["yes"] * 12
    assert answer.json()["model_version"] == "v1"
    roles = [(one["role"], one["status"]) for one in live.events(model)]
    assert roles.count(("champion", "ok")) == 12
    assert 0 < roles.count(("canary", "error")) < 12
