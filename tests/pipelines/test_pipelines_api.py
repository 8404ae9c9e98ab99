"""Pipelines over HTTP on both databases: registering, traces and their waterfall, health, and blame."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from backend.client import ApiError, Client
from db.models.review import GroundTruth
from db.repositories import audit
from db.repositories.models import find_model
from tests.conftest import add_session
from tests.pipelines.conftest import AT

DAY = timedelta(days=1)
BEFORE, NOW = (AT - DAY, AT), (AT, AT + DAY)


def log_day(client: Client, day: int, n: int, rng: np.random.Generator, *, cut: float = 0.0) -> None:
    """`n` traces: VAD (seconds of speech, edge level), then the recogniser where there is speech. With `cut` the VAD
    cuts into words, which the recogniser then gets wrong."""
    vad, digits = [], []
    for i in range(n):
        at = AT + (day - 1) * DAY + timedelta(seconds=30 * i)
        trace, length = f"t{day}-{i}", float(rng.lognormal(-0.5, 0.3))
        share = float(np.clip(rng.normal(0.05 + 0.5 * cut, 0.05), 0, 0.9))
        is_lost = rng.random() < 0.02 + 0.15 * cut
        common = {"trace_id": trace, "subject_id": trace, "version": "v1"}
        vad.append(
            {
                **common,
                "id": f"{trace}-vad",
                "step": "vad",
                "happened_at": at.isoformat(),
                "latency_ms": 2.0 + i % 3,
                "prediction": None if is_lost else length * (1 - share),
                "inputs": {"duration_s": length},
                "metrics": {"edge_db": -40 + 60 * share},
            }
        )
        if not is_lost:
            is_wrong = rng.random() < 1 / (1 + np.exp(3.5 - 8 * share))
            digits.append(
                {
                    **common,
                    "id": f"{trace}-digit",
                    "happened_at": (at + timedelta(milliseconds=6)).isoformat(),
                    "latency_ms": 10.0 + (500 if i == 7 else 0),
                    "prediction": str((i + is_wrong) % 10),
                    "score": 0.5 if is_wrong else 0.95,
                    "inputs": {"speech_s": length * (1 - share)},
                    "status": "error" if i % 50 == 9 else "ok",
                }
            )
    assert client.predictions.log_many(vad, model="vad").n_new == n
    assert client.predictions.log_many(digits, model="digits").n_refused == 0


def add_truths(app: TestClient, n: int) -> None:
    """What was really said in each of `n` traces of both days."""
    with app.app.state.services.database.write() as session:  # type: ignore[attr-defined]
        model = find_model(session, "digits")
        assert model is not None
        session.add_all(
            GroundTruth(
                model_id=model.id, subject_id=f"t{day}-{i}", label=str(i % 10), method="measured", resolved_by="test"
            )
            for day in (0, 1)
            for i in range(n)
        )


@pytest.fixture
def logged(client: Client, app: TestClient) -> Client:
    """Two days; on the second the VAD cuts words."""
    rng = np.random.default_rng(11)
    log_day(client, 0, 300, rng)
    log_day(client, 1, 300, rng, cut=0.7)
    return client


def test_a_pipeline_is_registered_changed_and_forgotten(client: Client, app: TestClient) -> None:
    assert [step.model for step in client.pipelines.get("speech").steps] == ["vad", "digits"]
    for fields, status in (
        ({"name": "speech", "steps": [{"name": "a", "model": "vad"}]}, 409),
        ({"name": "x", "steps": [{"name": "a", "model": "nothing"}]}, 422),
    ):
        with pytest.raises(ApiError) as caught:
            client.pipelines.create(**fields)
        assert caught.value.status == status
    for steps in ([], [{"name": "a", "model": "vad"}] * 2, [{"name": "a\0", "model": "vad"}]):
        answer = client.transport.http.post("/v1/pipelines", json={"name": "x", "steps": steps})
        assert answer.status_code == 422
    changed = client.pipelines.change("speech", services=["asr"], steps=[{"name": "only", "model": "digits"}])
    assert ([step.name for step in changed.steps], changed.services) == (["only"], ["asr"])
    client.pipelines.delete("speech")
    assert client.pipelines.list() == []
    with app.app.state.services.database.read() as session:  # type: ignore[attr-defined]
        told = [entry.action for entry in audit.list_entries(session, action="pipeline.")]
    assert told == ["pipeline.deleted", "pipeline.changed", "pipeline.created"]


def test_traces_are_listed_by_what_happened_in_them(logged: Client) -> None:
    newest = logged.pipelines.traces("speech", *NOW, limit=3)
    assert [trace.trace_id for trace in newest.traces] == ["t1-299", "t1-298", "t1-297"]
    older = logged.pipelines.traces("speech", NOW[0], newest.before or NOW[1], limit=2)
    assert [trace.trace_id for trace in older.traces] == ["t1-296", "t1-295"]
    slowest = logged.pipelines.traces("speech", *NOW, pick="slowest", limit=1).traces[0]
    assert (slowest.trace_id, slowest.duration_ms, slowest.slowest_step) == ("t1-7", 516.0, "recogniser")
    failed = logged.pipelines.traces("speech", *NOW, pick="failed", limit=200).traces
    assert {int(trace.trace_id[3:]) % 50 for trace in failed} == {9}
    assert all(trace.failed_steps == ["recogniser"] for trace in failed)
    nulls = logged.pipelines.traces("speech", *NOW, pick="null", step="vad", limit=200).traces
    short = logged.pipelines.traces("speech", *NOW, pick="cut_short", limit=200).traces
    assert {trace.trace_id for trace in nulls} == {trace.trace_id for trace in short}
    assert {(*trace.null_steps, *trace.missing) for trace in nulls} == {("vad", "recogniser")}
    assert logged.pipelines.traces("speech", *NOW, pick="null", step="recogniser").traces == []


def test_a_trace_is_a_waterfall_of_its_spans_with_retries_and_shadows(logged: Client) -> None:
    again = {"trace_id": "t1-0", "version": "v1", "prediction": "5", "latency_ms": 20.0}
    start = logged.pipelines.trace("speech", "t1-0", *NOW).trace.start_at
    for place, role in enumerate(("champion", "shadow")):
        at = (start + timedelta(milliseconds=30 * (place + 1))).isoformat()
        logged.predictions.log({**again, "id": f"retry{place}", "role": role, "happened_at": at}, model="digits")
    found = logged.pipelines.trace("speech", "t1-0", *NOW)
    seen = [(span.step, span.parent, span.offset_ms, span.duration_ms, span.is_answer) for span in found.spans]
    assert seen == [
        ("vad", None, 0.0, 2.0, True),
        ("recogniser", "vad", 6.0, 10.0, False),
        ("recogniser", "vad", 30.0, 20.0, True),
        ("recogniser", "vad", 60.0, 20.0, False),
    ]
    assert (found.trace.duration_ms, found.trace.busy_ms, found.trace.prediction) == (50.0, 32.0, "5")
    with pytest.raises(ApiError) as caught:
        logged.pipelines.trace("speech", "t1-0", AT + 3 * DAY, AT + 4 * DAY)
    assert caught.value.status == 404


def test_health_tells_every_step_now_against_the_reference(logged: Client) -> None:
    vad, digits = logged.pipelines.health("speech", *NOW).steps
    assert (vad.step, digits.step, vad.versions) == ("vad", "recogniser", ["v1"])
    assert vad.figures["null_output_rate"].value == pytest.approx(0.125, abs=0.06)
    assert vad.state in ("warning", "bad")
    assert "null_output_rate" in vad.reasons
    assert digits.figures["error_rate"].n == pytest.approx(262, abs=25)
    series = logged.pipelines.series("speech", "latency_p95", BEFORE[0], NOW[1], grain_s=86_400)
    assert [line.name for line in series.lines] == ["vad", "recogniser"]
    assert [value for value in series.lines[1].value if value] == [pytest.approx(10, rel=0.02)] * 2
    empty = logged.pipelines.health("speech", AT + 9 * DAY, AT + 10 * DAY)
    assert {step.state for step in empty.steps} == {"no_data"}


def test_blame_names_the_step_that_was_changed(logged: Client, app: TestClient) -> None:
    add_truths(app, 300)
    report = logged.pipelines.blame("speech", *NOW)
    assert (report.n_reference, report.n_current, report.one_in) == (300, 300, 1)
    found = {change.measure: change for change in report.changes if change.label is None}
    for measure in ("no_answer_rate", "wrong_rate"):
        change = found[measure]
        assert change.verdict == "blamed", measure
        assert [share.step for share in change.shares if share.is_blamed] == ["vad"]
    assert found["failed_rate"].verdict == "unchanged"
    assert sum(share.share or 0 for share in found["wrong_rate"].shares) == pytest.approx(1)
    quiet = logged.pipelines.blame("speech", AT + 3 * DAY, AT + 4 * DAY, reference=BEFORE)
    assert {change.verdict for change in quiet.changes} == {"insufficient"}
    assert quiet.changes[0].n_needed == 60


def test_nonsense_is_refused_clearly(client: Client) -> None:
    def status(path: str, **params: Any) -> int:
        return client.transport.http.get(f"/v1/pipelines/{path}", params=params).status_code

    window = {"start": NOW[0].isoformat(), "end": NOW[1].isoformat()}
    late = {"reference_start": NOW[0].isoformat(), "reference_end": NOW[1].isoformat()}
    long = {"start": (AT - 90 * DAY).isoformat(), "end": AT.isoformat()}
    assert status("nothing/health", **window) == 404
    assert status("speech/series", **window, measure="beauty") == 404
    assert status("speech/traces", **window, pick="prettiest") == 422
    assert status("speech/traces", **window, step="nothing") == 422
    assert status("speech/traces", **long) == 422
    assert status("speech/blame", **window, **late) == 422
    assert status("speech/blame", **window, reference_start=late["reference_start"]) == 422
    assert status("speech/blame", start=NOW[1].isoformat(), end=NOW[0].isoformat()) == 422
    assert status("speech/health", start="0001-01-01T00:00:00Z", end="9000-01-01T00:00:00Z") == 422


def test_a_key_for_one_of_the_models_does_not_see_the_pipeline_and_a_viewer_sees_no_rows(
    client: Client, app: TestClient, make_key: Callable[..., str]
) -> None:
    def get(token: str, path: str) -> int:
        window = {"start": NOW[0].isoformat(), "end": NOW[1].isoformat()}
        return app.get(path, params=window, headers={"Authorization": f"Bearer {token}"}).status_code

    narrow = make_key("aggregates:read", models=["vad"])
    assert app.get("/v1/pipelines", headers={"Authorization": f"Bearer {narrow}"}).json() == []
    assert get(narrow, "/v1/pipelines/speech") == 404
    viewer = add_session(app.app.state.services.database, "viewer", "v")  # type: ignore[attr-defined]
    assert get(viewer, "/v1/pipelines/speech/blame") == 200
    assert get(viewer, "/v1/pipelines/speech/traces") == 403
