"""Drift through the API on both databases: references, reports, what is behind them, and clear refusals."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest
from fastapi.testclient import TestClient

from backend.client import ApiError, Client
from backend.drift import service
from backend.drift.verdicts import Rules
from backend.worker.references import count_references
from db.base import utc_now
from db.eventlog.log import EventLog
from db.eventlog.seal import seal
from db.models.model import Model
from db.models.review import Decision
from tests.conftest import on_sqlite
from tests.drift.conftest import DAY, HOUR, START, clean_columns
from tests.drift.profiles import judge as judge_rows

Log = Callable[..., int]
LATER = START + 3 * DAY


@pytest.fixture
def scientist(sign_in: Callable[..., Client]) -> Client:
    return sign_in("data_scientist")


@pytest.fixture
def loans(app: TestClient, model: Model, eventlog: EventLog, log_clean: Log, scientist: Client) -> Client:
    """A reference of three clean days, then one in which age is partly missing, a city new and incomes higher."""
    services = app.app.state.services  # type: ignore[attr-defined]
    log_clean(START, 9_000, 3 * DAY)
    seal(services.database, eventlog.lake.uri, model.id, owner="w")
    scientist.drift.create_reference(model="loans", start=START, end=LATER, name="spring")
    count_references(services.database, eventlog.lake, threading.Event(), turn_s=60)
    rng = np.random.default_rng(1)
    age = np.where(rng.random(800) < 0.6, np.nan, rng.normal(40, 10, 800))
    city = rng.choice(["hanoi", "da nang"], 800)
    log_clean(LATER, 800, DAY, in_age=age, in_city=city, in_income=rng.lognormal(3.5, 0.6, 800))
    return scientist


#: Storage does not differ here: once is enough.
#: What the report must say.
EXPECTED = {"in_city": ("drifted", "new_category"), "in_age": ("drifted", "missing"), "in_income": ("drifted", "shift")}


def test_a_report_names_what_drifted_with_the_numbers_of_the_rows(loans: Client, app: TestClient, model: Model) -> None:
    """On both databases the numbers are those computed from the rows themselves."""
    report = loans.drift.report("loans", LATER, LATER + DAY)
    found = {one.feature: one for one in report.features}
    assert {name: (one.verdict, one.reason) for name, one in found.items() if one.verdict == "drifted"} == EXPECTED
    assert [one.feature for one in report.features[:3]] == ["in_city", "in_age", "in_income"]
    assert set(found) == {
        "in_age", "in_income", "in_score2", "in_rooms", "in_city", "in_owner", "score", "prediction",
    }  # fmt: skip
    assert (report.is_whole, report.n_drifted, report.reference.name) == (True, 3, "spring")
    assert report.alpha == pytest.approx(1 / 30)
    assert [(moved.text, moved.current) for moved in found["in_age"].moved][:1] == [
        ("null", found["in_age"].null_rate_current)
    ]
    services = app.app.state.services  # type: ignore[attr-defined]
    columns = sorted(found)
    rows = [services.eventlog.read(model.id, *span, columns=columns) for span in ((START, LATER), (LATER, LATER + DAY))]
    for name, alone in judge_rows(*rows, Rules(report.alpha)).items():
        for number in ("psi", "js", "ks", "ks_p", "wasserstein", "chi_square_p", "p_adjusted", "shift_sigma"):
            mine, theirs = getattr(found[name], number), getattr(alone, number)
            assert mine == (theirs if theirs is None else pytest.approx(theirs, rel=1e-9)), (name, number)
    assert found["in_income"].direction == "up"
    assert found["in_rooms"].verdict == "ok"
    assert found["in_rooms"].visible_sigma is not None
    assert found["in_rooms"].visible_sigma < 0.3


def test_series_detail_and_examples_are_behind_the_report(loans: Client) -> None:
    series = loans.drift.series("loans", START, LATER + DAY, grain_s=86_400)
    age = next(line for line in series.features if line.feature == "in_age")
    assert age.verdict == ["ok", "ok", "ok", "drifted"]
    assert (age.n, len(series.bucket_at)) == ([3_000, 3_000, 3_000, 800], 4)
    assert loans.drift.series("loans", START, LATER + DAY).grain_s == 3_600
    detail = loans.drift.feature("loans", "in_income", LATER, LATER + DAY)
    for side in ("reference", "current"):
        assert sum(getattr(bar, side) for bar in detail.bars) == pytest.approx(1)
        assert sum(getattr(one, side) for one in detail.bins) == pytest.approx(1)
    city = loans.drift.examples("loans", "in_city", LATER, LATER + DAY, limit=5)
    assert {row.value for row in city.rows} == {"da nang"}
    assert loans.predictions is not None
    age_rows = loans.drift.examples("loans", "in_age", LATER, LATER + DAY, limit=200).rows
    assert {row.value for row in age_rows} == {None}
    low = loans.drift.examples("loans", "in_income", LATER, LATER + DAY, bins=[0], limit=200)
    assert low.rows
    assert max(row.value for row in low.rows) <= detail.bins[0].high  # type: ignore[operator, type-var]
    assert [row.happened_at for row in low.rows] == sorted((row.happened_at for row in low.rows), reverse=True)


def test_consequence_comes_from_what_people_said(loans: Client, app: TestClient, model: Model) -> None:
    services = app.app.state.services  # type: ignore[attr-defined]
    rows = services.eventlog.read(
        model.id, LATER, LATER + DAY, columns=["subject_id", "prediction", "in_city"]
    ).to_pylist()
    with services.database.write() as session:
        for place, row in enumerate(rows[:400]):
            is_wrong = row["in_city"] == "da nang" and place % 3 == 0
            label = {"ok": "bad", "bad": "ok"}[row["prediction"]] if is_wrong else row["prediction"]
            session.add(Decision(model_id=model.id, subject_id=row["subject_id"], judge="person:an", label=label))
    found = {one.feature: one.consequence for one in loans.drift.report("loans", LATER, LATER + DAY).features}
    assert found["in_rooms"] is None
    assert found["in_city"] is not None
    assert found["in_city"].verdict == "harmful"
    assert found["in_city"].error_outside == 0
    assert found["in_age"] is not None
    assert found["in_age"].verdict == "unknown"


def test_alert_rules_get_verdicts_for_a_window(loans: Client, app: TestClient, model: Model) -> None:
    services = app.app.state.services  # type: ignore[attr-defined]

    def judge(start: Any, end: Any, **more: Any) -> list[Any]:
        return service.judge_window(services.database, services.eventlog, model, (start, end), now=utc_now(), **more)

    assert {one.feature: (one.verdict, one.reason) for one in judge(LATER, LATER + DAY)[:3]} == EXPECTED
    assert all(one.verdict == "ok" for one in judge(START, START + DAY))
    assert {one.verdict for one in judge(LATER + 2 * DAY, LATER + 3 * DAY)} == {"insufficient"}
    assert judge(LATER, LATER + DAY, version="v1")[0].n_current == 800
    assert judge(LATER, LATER + DAY, segment=("line", "L1"))[0].n_current == 400
    assert judge(utc_now() + DAY, utc_now() + 2 * DAY) == []
    strict = judge(LATER, LATER + DAY, windows_per_month=1e9)
    assert strict[0].psi_critical > judge(LATER, LATER + DAY)[0].psi_critical


@on_sqlite
def test_a_reference_of_past_weeks_compares_with_the_same_hours(
    app: TestClient, model: Model, eventlog: EventLog, log_clean: Log, scientist: Client
) -> None:
    """Nights differ from days every week: against the same hours there is no drift, against all hours there is."""
    now = utc_now().replace(minute=0, second=0, microsecond=0)
    rng = np.random.default_rng(3)
    for back in (3, 2, 1, 0):
        at = now - timedelta(weeks=back)
        log_clean(at - 6 * HOUR, 500, 3 * HOUR, in_age=rng.normal(70, 5, 500))
        log_clean(at - 30 * HOUR, 500, 3 * HOUR)
    plain = scientist.drift.create_reference(model="loans", start=now - 25 * DAY, end=now)
    weeks = scientist.drift.create_reference(model="loans", kind="weeks", weeks=3)
    assert (weeks.kind, weeks.weeks, weeks.number) == ("weeks", 3, 2)
    verdicts = {}
    for reference in (plain, weeks):
        found = scientist.drift.report("loans", now - 6 * HOUR, now - 3 * HOUR, reference=reference.id)
        verdicts[reference.kind] = {one.feature: (one.verdict, one.n_reference) for one in found.features}
    assert verdicts["window"]["in_age"][0] == "drifted"
    assert verdicts["weeks"]["in_age"] == ("ok", 1_500)
    series = scientist.drift.series("loans", now - 7 * HOUR, now, reference=weeks.id, grain_s=10_800)
    age = next(line for line in series.features if line.feature == "in_age")
    assert "drifted" not in age.verdict
    assert sum(age.n) == 500


@on_sqlite
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_training_data_can_be_a_reference(model: Model, log_clean: Log, scientist: Client, kind: str) -> None:
    rng = np.random.default_rng(7)
    columns = clean_columns(5_000, rng)
    table = pa.table(
        {name.removeprefix("in_"): pa.array(values) for name, values in columns.items()}
        | {"unknown": pa.array(range(5_000))}
    )
    sink = io.BytesIO()
    pacsv.write_csv(table, sink) if kind == "csv" else pq.write_table(table, sink)
    made = scientist.drift.upload_reference("loans", sink.getvalue(), name="training set")
    assert (made.kind, made.n_rows, made.is_current, made.left_out) == ("upload", 5_000, True, ["unknown"])
    log_clean(START, 600, DAY)
    found = scientist.drift.report("loans", START, START + DAY).features
    assert {one.verdict for one in found} == {"ok"}
    assert scientist.drift.together("loans", START, START + DAY).auc < 0.6


def csv(text: str) -> bytes:
    return text.encode()


REFUSED_FILES: list[tuple[bytes, str]] = [
    (b"", "reference_empty"),
    (csv("age,city\n"), "reference_empty"),
    (csv("age\n" + "1\n" * 5), "reference_too_small"),
    (csv("age\n1\n"), "reference_too_small"),
    (csv("colour\n" + "red\n" * 50), "no_features"),
    (csv("age,city\n" + ",\n" * 50), "reference_all_null"),
    (csv("age\n" + "12\n" * 50 + "twelve\n"), "bad_column"),
    (csv("age,age\n" + "1,2\n" * 50), "bad_file"),
    (csv("age,city\n" + "1,2,3\n" * 50), "bad_file"),
    (b"PAR1 and then nothing of the kind", "bad_file"),
]


@on_sqlite
def test_files_that_can_be_no_reference_are_refused_with_the_reason(model: Model, scientist: Client) -> None:
    for content, code in REFUSED_FILES:
        with pytest.raises(ApiError) as refused:
            scientist.drift.upload_reference("loans", content)
        assert (refused.value.status, refused.value.code) == (422, code), content[:40]
        assert refused.value.message
    assert scientist.drift.references("loans") == []


@on_sqlite
def test_odd_columns_are_taken_and_noted(model: Model, scientist: Client) -> None:
    rows = "".join(f"inf,5,,user-{i}\n" for i in range(10_000))
    made = scientist.drift.upload_reference("loans", csv("age,rooms,income,city\n" + rows))
    assert made.notes == {"in_age": "infinite", "in_rooms": "constant", "in_income": "all_null"}


@on_sqlite
def test_references_are_listed_chosen_renamed_and_deleted(loans: Client, model: Model) -> None:
    first = loans.drift.references("loans")[0]
    second = loans.drift.create_reference(model="loans", start=START, end=START + DAY, make_current=False)
    assert [(one.number, one.is_current) for one in loans.drift.references("loans")] == [(2, False), (1, True)]
    assert loans.drift.make_current(second.id).is_current
    assert [one.is_current for one in loans.drift.references("loans")] == [True, False]
    assert loans.drift.report("loans", LATER, LATER + DAY).reference.id == second.id
    assert loans.drift.report("loans", LATER, LATER + DAY, reference=first.id).reference.id == first.id
    loans.drift.delete_reference(second.id)
    with pytest.raises(ApiError, match="no reference"):
        loans.drift.report("loans", LATER, LATER + DAY)
    for _ in range(3):
        loans.drift.create_reference(model="loans", start=START, end=START + DAY)
    with pytest.raises(ApiError) as refused:
        loans.drift.create_reference(model="loans", start=START, end=START + DAY)
    assert (refused.value.status, refused.value.code) == (409, "too_many_references")


@on_sqlite
def test_the_knob_changes_what_counts_as_sure(loans: Client) -> None:
    assert loans.drift.settings("loans").alarms_per_month == 1
    before = loans.drift.report("loans", LATER, LATER + HOUR).alpha
    changed = loans.drift.change_settings("loans", alarms_per_month=4, floor_sigma=5 - 3.5)
    assert (changed.alarms_per_month, changed.floor_sigma, changed.window_s) == (4, 1.5, 86_400)
    assert loans.drift.report("loans", LATER, LATER + HOUR).alpha == pytest.approx(4 * before)
    found = {one.feature: one.verdict for one in loans.drift.report("loans", LATER, LATER + DAY).features}
    assert (found["in_city"], found["in_income"]) == ("drifted", "negligible")


@on_sqlite
def test_questions_that_make_no_sense_are_refused(loans: Client, sign_in: Callable[..., Client]) -> None:
    span = (LATER, LATER + DAY)
    for ask, status in (
        (lambda: loans.drift.report("other", *span), 404),
        (lambda: loans.drift.report("loans", LATER, LATER), 422),
        (lambda: loans.drift.report("loans", *span, reference="nothing"), 404),
        (lambda: loans.drift.report("loans", *span, segments={"colour": "red"}), 422),
        (lambda: loans.drift.report("loans", START - 900 * DAY, LATER), 422),
        (lambda: loans.drift.series("loans", *span, grain_s=3_601), 422),
        (lambda: loans.drift.feature("loans", "in_nothing", *span), 404),
        (lambda: loans.drift.examples("loans", "in_age", *span, bins=[99]), 422),
        (lambda: loans.drift.create_reference(model="loans", start=LATER + 9 * DAY, end=LATER + 10 * DAY), 422),
        (lambda: sign_in("viewer").drift.examples("loans", "in_age", *span), 403),
        (lambda: sign_in("viewer").drift.create_reference(model="loans", start=START, end=LATER), 403),
    ):
        with pytest.raises(ApiError) as refused:
            ask()  # type: ignore[no-untyped-call]
        assert refused.value.status == status
    assert sign_in("viewer").drift.report("loans", *span).n_drifted == 3


@on_sqlite
def test_a_feature_that_the_reference_does_not_know_fails_alone(loans: Client, app: TestClient, model: Model) -> None:
    services = app.app.state.services  # type: ignore[attr-defined]
    event = {"version": "v1", "happened_at": LATER.isoformat(), "inputs": {"brand new": 1.5}}
    services.eventlog.log_rows(model, [event])
    services.eventlog.models.forget()
    found = {one.feature: (one.verdict, one.reason) for one in loans.drift.report("loans", LATER, LATER + DAY).features}
    assert found["in_brand new"] == ("failed", "not_in_reference")
    assert {name: one for name, one in found.items() if one[0] == "drifted"} == EXPECTED
