"""Labelled data through the API: filters, pages, exact exports in constant memory, and what never leaves."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from backend.client import ApiError, Client
from db.engine import Database
from db.models.model import Model
from db.models.review import Decision, GroundTruth, ReviewTask, Subject

T0 = datetime(2026, 3, 1, 8, tzinfo=UTC)
SHA = hashlib.sha256(b"picture").hexdigest()
LABELS = ["ok", "open", "short"]


def add_model(database: Database, name: str = "pcb") -> Model:
    model = Model(name=name, item_kind="image", labels=[{"name": label} for label in LABELS], segment_keys=["line"])
    with database.write() as session:
        session.add(model)
    return model


def add_label(database: Database, model: Model, number: int, **changes: Any) -> str:
    """Subject s<number>: resolved `number` minutes after T0, on line A or B, the champion saying ok."""
    subject_id = changes.get("subject_id", f"s{number:05d}")
    with database.write() as session:
        session.add(
            GroundTruth(
                model_id=model.id,
                subject_id=subject_id,
                label=changes.get("label", LABELS[number % 3]),
                method=changes.get("method", "adjudicated"),
                resolved_by="user:1",
                resolved_at=T0 + timedelta(minutes=number),
                is_current=changes.get("is_current", True),
            )
        )
        if changes.get("with_subject", True):
            session.add(
                Subject(
                    model_id=model.id,
                    subject_id=subject_id,
                    artifact_sha256=changes.get("artifact", SHA),
                    golden_sha256=SHA,
                    segments={"line": "AB"[number % 2]},
                    details={"champion": {"version": "v1", "prediction": "ok", "score": 0.5 + number / 1000}},
                )
            )
    return subject_id


@pytest.fixture
def scientist(sign_in: Callable[..., Client]) -> Client:
    return sign_in("data_scientist")


def test_pages_cover_every_label_once_in_the_order_of_resolution(scientist: Client, database: Database) -> None:
    model = add_model(database)
    expected = [add_label(database, model, number) for number in range(7)]
    seen: list[str] = []
    cursor = None
    while True:
        page = scientist.labelled_data.list("pcb", limit=3, cursor=cursor)
        seen += [item.subject_id for item in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == expected
    first = scientist.labelled_data.list("pcb", limit=1).items[0]
    assert (first.label, first.method, first.resolved_at) == ("ok", "adjudicated", T0)
    assert (first.champion_version, first.champion_label, first.champion_score) == ("v1", "ok", 0.5)
    assert (first.artifact_sha256, first.golden_sha256, first.segments) == (SHA, SHA, {"line": "A"})


def test_labels_resolved_at_the_same_moment_are_not_lost_between_pages(scientist: Client, database: Database) -> None:
    model = add_model(database)
    with database.write() as session:
        for number in range(9):
            session.add(
                GroundTruth(
                    model_id=model.id, subject_id=f"x{number}", label="ok", method="external",
                    resolved_by="import", resolved_at=T0,
                )
            )  # fmt: skip
    first = scientist.labelled_data.list("pcb", limit=5)
    second = scientist.labelled_data.list("pcb", limit=5, cursor=first.next_cursor)
    assert sorted(item.subject_id for item in first.items + second.items) == [f"x{n}" for n in range(9)]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"label": ["open"]}, [1, 4]),
        ({"label": ["open", "short"]}, [1, 2, 4, 5]),
        ({"segment": ["line:B"]}, [1, 3, 5]),
        ({"disagreement_only": True}, [1, 2, 4, 5]),
        ({"start": T0 + timedelta(minutes=2), "end": T0 + timedelta(minutes=4)}, [2, 3]),
        ({"has_artifact": False}, [5]),
        ({"has_artifact": True, "label": ["short"]}, [2]),
        ({"method": ["consensus"]}, [3]),
        ({"segment": ["line:B"], "disagreement_only": True}, [1, 5]),
    ],
)
def test_each_filter_selects_what_it_says(
    scientist: Client, database: Database, filters: dict[str, Any], expected: list[int]
) -> None:
    model = add_model(database)
    for number in range(6):
        add_label(
            database,
            model,
            number,
            artifact=None if number == 5 else SHA,
            method="consensus" if number == 3 else "adjudicated",
        )
    found = scientist.labelled_data.list("pcb", **filters).items
    assert [int(item.subject_id[1:]) for item in found] == expected
    assert scientist.labelled_data.counts("pcb", **filters).n_items == len(expected)
    assert scientist.labelled_data.manifest("pcb", **filters).n_items == len(expected)


def test_gold_injected_and_replaced_labels_never_leave(scientist: Client, database: Database, tmp_path: Path) -> None:
    model = add_model(database)
    add_label(database, model, 0)
    for number, method in enumerate(("gold", "injected", "repeat"), start=1):
        add_label(database, model, number, method=method)
    add_label(database, model, 4, is_current=False)
    add_label(database, model, 5)
    with database.write() as session:
        session.add(ReviewTask(model_id=model.id, subject_id="s00005", reason="gold"))
    assert [item.subject_id for item in scientist.labelled_data.list("pcb").items] == ["s00000"]
    assert scientist.labelled_data.counts("pcb").labels == {"ok": 1}
    scientist.labelled_data.export("pcb", tmp_path / "labels.jsonl")
    assert len((tmp_path / "labels.jsonl").read_text().splitlines()) == 1


def test_opinions_are_counted_without_repeats_and_undone_ones(scientist: Client, database: Database) -> None:
    model = add_model(database)
    add_label(database, model, 0)
    with database.write() as session:
        repeat = ReviewTask(model_id=model.id, subject_id="s00000", reason="repeat", mode="blind")
        session.add(repeat)
        session.flush()
        common = {"model_id": model.id, "subject_id": "s00000", "label": "ok"}
        session.add_all(
            [
                Decision(**common, judge="user:1"),
                Decision(**common, judge="predictor:other"),
                Decision(**common, judge="user:2", superseded_by="later"),
                Decision(**common, judge="user:1", task_id=repeat.id),
            ]
        )
    assert scientist.labelled_data.list("pcb").items[0].n_opinions == 2


def test_exports_are_exact_and_only_text_cells_of_csv_are_escaped(
    scientist: Client, database: Database, tmp_path: Path
) -> None:
    model = add_model(database)
    hostile = ['=HYPERLINK("x")', "+1", "-2", "@cmd", 'bảng mạch, "số" 7', "plain\nline"]
    for number, subject_id in enumerate(hostile):
        add_label(database, model, number, subject_id=subject_id)
    add_label(database, model, 99, with_subject=False)
    for format in ("jsonl", "csv", "parquet"):
        scientist.labelled_data.export("pcb", tmp_path / format, format=format)  # type: ignore[arg-type]
    lines = [json.loads(line) for line in (tmp_path / "jsonl").read_text("utf-8").splitlines()]
    assert [line["subject_id"] for line in lines] == [*hostile, "s00099"]
    assert lines[1]["champion_score"] == 0.501
    assert lines[-1]["champion_label"] is None
    assert lines[0]["resolved_at"] == "2026-03-01T08:00:00.000000Z"
    table = pq.read_table(tmp_path / "parquet").to_pylist()
    assert [row["subject_id"] for row in table] == [*hostile, "s00099"]
    assert table[0]["resolved_at"] == T0
    assert dict(table[0]["segments"]) == {"line": "A"}
    rows = list(csv.DictReader(io.StringIO((tmp_path / "csv").read_text("utf-8"), newline="")))
    assert [row["subject_id"] for row in rows[:4]] == ["'" + value for value in hostile[:4]]
    assert [row["subject_id"] for row in rows[4:6]] == hostile[4:6]
    assert rows[1]["champion_score"] == "0.501"


@pytest.mark.parametrize("format", ["jsonl", "csv", "parquet"])
def test_the_manifest_names_the_hash_of_the_very_bytes_of_the_export(
    scientist: Client, database: Database, tmp_path: Path, format: Any
) -> None:
    model = add_model(database)
    for number in range(5):
        add_label(database, model, number)
    manifest = scientist.labelled_data.manifest("pcb", format=format, label=["ok", "open"])
    n_bytes = scientist.labelled_data.export("pcb", tmp_path / "file", format=format, label=["ok", "open"])
    content = (tmp_path / "file").read_bytes()
    assert manifest.sha256 == hashlib.sha256(content).hexdigest()
    assert manifest.n_bytes == n_bytes == len(content)
    assert manifest.labels == {"ok": 2, "open": 2}
    assert manifest.filters == {"labels": ["ok", "open"]}


def test_an_export_of_nothing_is_an_empty_file_that_readers_accept(
    scientist: Client, database: Database, tmp_path: Path
) -> None:
    add_model(database)
    assert scientist.labelled_data.export("pcb", tmp_path / "a.jsonl") == 0
    scientist.labelled_data.export("pcb", tmp_path / "a.parquet", format="parquet")
    assert pq.read_table(tmp_path / "a.parquet").num_rows == 0
    scientist.labelled_data.export("pcb", tmp_path / "a.csv", format="csv")
    assert list(csv.DictReader((tmp_path / "a.csv").open())) == []


def test_an_export_of_many_pages_holds_every_label_once(scientist: Client, database: Database, tmp_path: Path) -> None:
    model = add_model(database)
    n = 20_000
    with database.write() as session:
        session.execute(
            GroundTruth.__table__.insert(),
            [
                {
                    "id": f"{number:036d}", "model_id": model.id, "subject_id": f"s{number}",
                    "label": LABELS[number % 3], "method": "adjudicated", "resolved_by": "user:1",
                    "details": {}, "logged_at": T0, "resolved_at": T0 + timedelta(seconds=number), "is_current": True,
                }
                for number in range(n)
            ],
        )  # fmt: skip
        session.execute(
            Subject.__table__.insert(),
            [
                {
                    "model_id": model.id, "subject_id": f"s{number}", "artifact_sha256": SHA, "golden_sha256": SHA,
                    "segments": {"line": "A"}, "created_at": T0,
                    "details": {"champion": {"version": "v1", "prediction": "ok", "score": 0.9}},
                }
                for number in range(n)
            ],
        )  # fmt: skip
    scientist.labelled_data.export("pcb", tmp_path / "all.jsonl")
    with (tmp_path / "all.jsonl").open() as file:
        subjects = [json.loads(line)["subject_id"] for line in file]
    assert len(subjects) == n
    assert set(subjects) == {f"s{number}" for number in range(n)}


@pytest.mark.parametrize(
    "params",
    [
        {"cursor": "garbage"},
        {"cursor": "!!"},
        {"segment": "no-colon"},
        {"limit": 0},
        {"limit": 1001},
        {"start": "2026-01-01T00:00:00"},
        {"format": "xlsx"},
    ],
)
def test_bad_parameters_are_refused_with_422(scientist: Client, database: Database, params: dict[str, Any]) -> None:
    add_model(database)
    path = "/v1/labelled-data/export" if "format" in params else "/v1/labelled-data"
    with pytest.raises(ApiError) as refused:
        scientist.transport.request("GET", path, params={"model": "pcb", **params})
    assert refused.value.status == 422


def test_a_nul_in_the_address_is_malformed(scientist: Client, database: Database) -> None:
    add_model(database)
    with pytest.raises(ApiError) as refused:
        scientist.labelled_data.list("pcb", label="a\x00b")
    assert refused.value.status == 400


def test_an_unknown_model_is_not_found(scientist: Client) -> None:
    for call in (scientist.labelled_data.list, scientist.labelled_data.counts, scientist.labelled_data.manifest):
        with pytest.raises(ApiError) as refused:
            call("nothing")
        assert refused.value.status == 404


def test_an_inspector_may_not_read_labels(sign_in: Callable[..., Client], database: Database) -> None:
    add_model(database)
    with pytest.raises(ApiError) as refused:
        sign_in("inspector").labelled_data.list("pcb")
    assert refused.value.status == 403
