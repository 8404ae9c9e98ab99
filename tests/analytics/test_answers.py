"""The newest answer per subject, against a plain loop over the rows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from db.analytics.answers import empty_answers, latest_per_subject

SCHEMA = empty_answers(("line",)).schema
START = datetime(2026, 5, 1, tzinfo=UTC)


def make_answers(n: int, seed: int) -> pa.Table:
    rng = np.random.default_rng(seed)
    rows = [
        {
            "event_id": f"e{number}",
            "subject_id": f"s{rng.integers(max(1, n // 4))}",
            "version": str(rng.choice(["v1", "v2", "v3"])),
            "happened_at": START + timedelta(minutes=int(rng.integers(5))),
            "seg_line": [None, "L1", "L2"][rng.integers(3)],
        }
        for number in range(n)
    ]
    return pa.Table.from_pylist(rows, schema=SCHEMA)


@pytest.mark.parametrize("keys", [("subject_id",), ("subject_id", "version"), ("subject_id", "seg_line")])
@pytest.mark.parametrize("n", [1, 2, 50, 400])
def test_the_newest_answer_per_key_is_the_one_a_loop_finds(keys: tuple[str, ...], n: int) -> None:
    answers = make_answers(n, seed=n)
    newest: dict[tuple[object, ...], tuple[datetime, str]] = {}
    for row in answers.to_pylist():
        key = tuple(row[name] for name in keys)
        newest[key] = max(newest.get(key, (START - timedelta(1), "")), (row["happened_at"], row["event_id"]))
    found = latest_per_subject(answers, keys)
    assert found["event_id"].to_pylist() == [event for _, event in sorted(newest.values(), reverse=True)]


def test_no_answers_have_no_newest() -> None:
    assert latest_per_subject(empty_answers(("line",))).num_rows == 0
    assert latest_per_subject(make_answers(9, 1).slice(0, 0), ("subject_id", "version")).schema == SCHEMA
