"""Judges as they are written in addresses, people's consensus and their noise floor."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from db.analytics.consensus import NoiseFloor, consensus, noise_floor
from db.analytics.judges import Judge, UnknownJudge, parse_judge

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def said(*rows: tuple[str, str, str]) -> pa.Table:
    return pa.table(
        {
            "subject_id": pa.array([row[0] for row in rows], pa.string()),
            "judge": pa.array([row[1] for row in rows], pa.string()),
            "label": pa.array([row[2] for row in rows], pa.string()),
            "at": pa.array([NOON + timedelta(minutes=i) for i in range(len(rows))], pa.timestamp("us", tz="UTC")),
        }
    )


@pytest.mark.parametrize("text", ["version:v1", "user:1", "person:a:b", "predictor:api", "people", "truth"])
def test_judges_read_back_as_they_were_written(text: str) -> None:
    assert str(parse_judge(text)) == text


@pytest.mark.parametrize("text", ["", "version:", "people:x", "truth:", "robot:1", "v1"])
def test_text_that_names_no_judge_is_refused(text: str) -> None:
    with pytest.raises(UnknownJudge):
        parse_judge(text)


def test_a_version_may_have_a_colon_in_its_name() -> None:
    assert parse_judge("version:2026:a") == Judge("version", "2026:a")


def test_consensus_is_the_majority_even_when_the_last_answer_differs() -> None:
    found = consensus(said(("s", "a", "ok"), ("s", "b", "ok"), ("s", "c", "ng")))
    assert found["label"].to_pylist() == ["ok"]


def test_consensus_of_a_tie_is_the_last_answer() -> None:
    assert consensus(said(("s", "a", "ok"), ("s", "b", "ng")))["label"].to_pylist() == ["ng"]


def test_consensus_of_nobody_is_empty() -> None:
    assert consensus(said()).num_rows == 0


def test_noise_floor_counts_each_pair_of_people_once() -> None:
    answers = said(
        ("s", "a", "ok"), ("s", "b", "ok"), ("s", "c", "ng"), ("t", "a", "ok"), ("u", "a", "x"), ("u", "b", "x")
    )
    assert noise_floor(answers) == NoiseFloor(n_subjects=2, n_pairs=4, n_agreed=2)
