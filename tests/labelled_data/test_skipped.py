"""What was skipped: counted by reason, listed and exported with reason and comment apart, without planted items."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from backend.client import ApiError, Client
from db.engine import Database
from db.models.model import Model
from db.models.review import Decision, ReviewTask, Subject

T0 = datetime(2026, 3, 1, 8, tzinfo=UTC)
SHA = "a" * 64


@pytest.fixture
def skips(database: Database) -> None:
    """s0 to s5 skipped minute by minute; s6 labelled, s7 taken back, s8 a planted item, s9 of another model."""
    said = [
        ("damaged", "black"),
        ("damaged", None),
        ("unclear", "=1+1"),
        (None, "old words"),
        ("other", None),
        ("damaged", "x"),
    ]
    with database.write() as session:
        model, other = (Model(name=name, item_kind="image", labels=[{"name": "ok"}]) for name in ("pcb", "other"))
        session.add_all([model, other])
        session.flush()
        session.add(Subject(model_id=model.id, subject_id="s0", artifact_sha256=SHA, segments={"line": "A"}))
        task = ReviewTask(model_id=model.id, subject_id="s0", reason="random_audit", state="skipped")
        session.add(task)
        session.flush()
        rows = [(model.id, f"s{n}", {"verb": "skip", "skip_reason": r, "comment": c}) for n, (r, c) in enumerate(said)]
        rows.append((model.id, "s6", {"verb": "label", "label": "ok"}))
        rows.append((model.id, "s7", {"verb": "skip", "skip_reason": "damaged", "superseded_by": "undone"}))
        rows.append((model.id, "s8", {"verb": "skip", "skip_reason": "damaged", "is_planted": True}))
        rows.append((other.id, "s9", {"verb": "skip", "skip_reason": "damaged"}))
        for n, (model_id, subject, more) in enumerate(rows):
            task_id = task.id if subject == "s0" else None
            at = T0 + timedelta(minutes=n)
            session.add(
                Decision(
                    model_id=model_id, subject_id=subject, judge="person:an", task_id=task_id, decided_at=at, **more
                )
            )


def test_skips_are_counted_by_reason_and_listed_newest_first(skips: None, sign_in: Callable[..., Client]) -> None:
    found = sign_in("data_scientist").labelled_data.skipped("pcb", limit=2)
    assert found.n_items == 6
    assert found.reasons == {"": 1, "damaged": 3, "other": 1, "unclear": 1}
    assert [(one.subject_id, one.reason, one.comment) for one in found.items] == [
        ("s5", "damaged", "x"),
        ("s4", "other", None),
    ]


def test_reasons_and_times_narrow_the_list_and_the_item_comes_along(
    skips: None, sign_in: Callable[..., Client]
) -> None:
    api = sign_in("data_scientist").labelled_data
    found = api.skipped("pcb", reason=["damaged", "unclear"], start=T0, end=T0 + timedelta(minutes=2))
    assert [one.subject_id for one in found.items] == ["s1", "s0"]
    assert (found.items[1].artifact_sha256, found.items[1].segments, found.items[1].state) == (
        SHA,
        {"line": "A"},
        "skipped",
    )
    assert (found.items[0].artifact_sha256, found.items[0].segments, found.items[0].state) == (None, {}, None)


def test_the_export_keeps_reason_and_comment_apart_in_the_order_they_came(
    skips: None, sign_in: Callable[..., Client], tmp_path: Path
) -> None:
    api = sign_in("data_scientist").labelled_data
    api.export_skipped("pcb", tmp_path / "s.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "s.jsonl").read_text().splitlines()]
    assert [(one["subject_id"], one["reason"], one["comment"]) for one in lines] == [
        ("s0", "damaged", "black"),
        ("s1", "damaged", None),
        ("s2", "unclear", "=1+1"),
        ("s3", None, "old words"),
        ("s4", "other", None),
        ("s5", "damaged", "x"),
    ]
    assert lines[0]["skipped_at"] == "2026-03-01T08:00:00.000000Z"
    api.export_skipped("pcb", tmp_path / "s.csv", format="csv", reason="unclear")
    [row] = csv.DictReader(io.StringIO((tmp_path / "s.csv").read_text()))
    assert (row["reason"], row["comment"]) == ("unclear", "'=1+1")  # no formula in a spreadsheet


def test_an_export_longer_than_a_page_is_whole(skips: None, database: Database) -> None:
    from db.repositories.skips import SkipFilter, iter_skips

    with database.read() as session:
        model_id = session.query(Model).filter_by(name="pcb").one().id
        names = [row.subject_id for row in iter_skips(session, model_id, SkipFilter(), page=2)]
    assert names == [f"s{n}" for n in range(6)]


def test_skips_are_for_those_who_read_labels(skips: None, sign_in: Callable[..., Client]) -> None:
    for role in ("viewer", "inspector"):
        with pytest.raises(ApiError) as refused:
            sign_in(role).labelled_data.skipped("pcb")
        assert refused.value.status == 403
