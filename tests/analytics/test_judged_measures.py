"""The model beside people and the truth, against counting the same rows by hand, on both databases."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from db.analytics.series import Selection, series
from db.analytics.windows import make_window
from db.models.review import Decision, GroundTruth
from tests.analytics.conftest import LABELS, START, Story

WINDOW = make_window(START, START + timedelta(days=2), 43_200)
LATER = START + timedelta(days=30)


@pytest.fixture
def judged(story: Story) -> pd.DataFrame:
    """Every fifth subject is judged by a person, days later; every tenth has a truth."""
    rng = np.random.default_rng(5)
    subjects = sorted(set(story.rows.subject_id))[::5]
    frame = pd.DataFrame({"subject_id": subjects, "said": rng.choice(LABELS, len(subjects))})
    frame["truth"] = np.where(np.arange(len(frame)) % 2 == 0, rng.choice(LABELS, len(frame)), None)
    with story.database.write() as session:
        for row in frame.to_dict("records"):
            place = {"model_id": story.model.id, "subject_id": row["subject_id"]}
            session.add(Decision(**place, judge="person:an", label=row["said"], decided_at=LATER))
            session.add(Decision(**place, judge="predictor:api", label="open", decided_at=LATER))
            if isinstance(row["truth"], str):
                session.add(GroundTruth(**place, label=row["truth"], method="lab", resolved_by="lab"))
    return frame


def answered(story: Story, judged: pd.DataFrame, role: str) -> pd.DataFrame:
    """The newest successful answer of a role about each judged subject."""
    rows = story.rows[(story.rows.status == "ok") & (story.rows.role == role)].sort_values(["happened_at", "id"])
    return rows.groupby("subject_id").tail(1).merge(judged, on="subject_id")


def line(story: Story, name: str, selection: Selection) -> dict[str, list[float]]:
    table = series(story.charts, story.model, name, WINDOW, selection, LATER).to_pandas()
    return {name: part.value.tolist() for name, part in table.groupby("series")}


def per_bucket(rows: pd.DataFrame, hits: pd.Series) -> list[float]:
    bucket = ((rows.happened_at - pd.Timestamp(START)).dt.total_seconds() // WINDOW.grain_s).astype(int)
    means = hits.astype(float).groupby(bucket).mean()
    return [float(means.get(i, np.nan)) for i in range(WINDOW.n_buckets)]


def test_agreement_with_people_counts_what_callers_got(story: Story, judged: pd.DataFrame) -> None:
    rows = answered(story, judged, "champion")
    found = line(story, "human_ai_agreement", Selection())
    assert found[""] == pytest.approx(per_bucket(rows, rows.prediction == rows.said), nan_ok=True)


def test_agreement_with_people_by_version_shows_the_shadow_too(story: Story, judged: pd.DataFrame) -> None:
    found = line(story, "human_ai_agreement", Selection(split="version"))
    for version, role in (("v1", "champion"), ("v2", "shadow")):
        rows = answered(story, judged, role)
        assert found[version] == pytest.approx(per_bucket(rows, rows.prediction == rows.said), nan_ok=True)


def test_escape_and_overkill_use_the_truth(story: Story, judged: pd.DataFrame) -> None:
    rows = answered(story, judged, "champion")
    rows = rows[rows.truth.notna()]
    is_bad, says_bad = rows.truth != "ok", rows.prediction.isin(["open", "short"])
    expected = {
        "escape_rate": (is_bad, ~says_bad),
        "escape_rate_of_passed": (~says_bad, is_bad),
        "overkill_rate": (~is_bad, says_bad),
    }
    for name, (among, hits) in expected.items():
        assert line(story, name, Selection())[""] == pytest.approx(per_bucket(rows[among], hits[among]), nan_ok=True)


def test_what_people_said_blind_is_the_truth_where_nothing_was_resolved(story: Story, judged: pd.DataFrame) -> None:
    """Without it only disagreements, which go to adjudication, would count, and the model would look worse."""
    chances = np.where(np.arange(len(judged)) % 3 == 0, 1.0, 0.05)
    with story.database.write() as session:
        for row, pi in zip(judged.to_dict("records"), chances, strict=True):
            place = {"model_id": story.model.id, "subject_id": row["subject_id"], "judge": "user:em"}
            session.add(Decision(**place, label=row["said"], seen="blind", pi=float(pi), decided_at=LATER))
    known = judged.assign(weight=np.where(judged.truth.notna(), 1.0, 1 / chances))
    known["truth"] = known.truth.where(known.truth.notna(), known.said)
    rows = answered(story, known, "champion")
    bucket = ((rows.happened_at - pd.Timestamp(START)).dt.total_seconds() // WINDOW.grain_s).astype(int)
    bad = rows.truth != "ok"
    missed = (rows.weight * (bad & ~rows.prediction.isin(["open", "short"]))).groupby(bucket).sum()
    expected = missed / (rows.weight * bad).groupby(bucket).sum()
    found = line(story, "escape_rate", Selection())[""]
    assert found == pytest.approx([float(expected.get(i, np.nan)) for i in range(WINDOW.n_buckets)], nan_ok=True)


def test_agreement_within_a_segment_counts_only_its_subjects(story: Story, judged: pd.DataFrame) -> None:
    rows = answered(story, judged, "champion")
    found = line(story, "human_ai_agreement", Selection(segments={"line": "L1"}))
    in_line = story.rows[(story.rows.status == "ok") & (story.rows.role == "champion") & (story.rows.line == "L1")]
    newest = in_line.sort_values(["happened_at", "id"]).groupby("subject_id").tail(1).merge(judged, on="subject_id")
    assert len(newest) < len(rows)
    assert found[""] == pytest.approx(per_bucket(newest, newest.prediction == newest.said), nan_ok=True)


def test_people_are_compared_with_each_other_where_two_answered(story: Story, judged: pd.DataFrame) -> None:
    """A second person judges every other subject, a third one some of these, and one saw the model's answer."""
    rng = np.random.default_rng(6)
    second = dict(zip(judged.subject_id[::2], rng.choice(LABELS, len(judged[::2])), strict=True))
    third = dict(zip(judged.subject_id[::6], rng.choice(LABELS, len(judged[::6])), strict=True))
    with story.database.write() as session:
        for judge, said in (("person:binh", second), ("user:chi", third)):
            for subject, label in said.items():
                session.add(Decision(model_id=story.model.id, subject_id=subject, judge=judge, label=str(label)))
        seen = {"judge": "person:dung", "label": "ok", "seen": "assisted"}
        session.add_all(Decision(model_id=story.model.id, subject_id=subject, **seen) for subject in judged.subject_id)
    rows = answered(story, judged, "champion")
    rows["second"], rows["third"] = rows.subject_id.map(second), rows.subject_id.map(third)
    pairs = pd.concat(
        [
            pair.assign(equal=pair[a] == pair[b])
            for a, b in (("said", "second"), ("said", "third"), ("second", "third"))
            for pair in [rows[rows[a].notna() & rows[b].notna()]]
        ]
    )
    found = line(story, "person_person_agreement", Selection())
    assert found[""] == pytest.approx(per_bucket(pairs, pairs.equal), nan_ok=True)
    by_line = line(story, "person_person_agreement", Selection(split="segment:line"))
    assert set(by_line) <= {"L1", "L2", "L3"}
    assert len(by_line) > 1
