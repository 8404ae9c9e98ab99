"""Tallies over pairs in DuckDB against counting by hand in pandas."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from db.analytics import pairs
from db.analytics.pairs import Tally, add_up, each_part, list_disagreements, newest_first, tally
from db.analytics.windows import make_window

START = datetime(2026, 5, 1, tzinfo=UTC)
WINDOW = make_window(START, START + timedelta(days=2), 3_600)
NO_TRUTH = pa.table({"subject_id": pa.array([], pa.string()), "label": pa.array([], pa.string())})


def make_events(n: int = 4_000, seed: int = 3, share_of_v1: float = 0.5) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    prediction = rng.choice(["ok", "open", "short"], n).astype(object)
    is_null = rng.random(n) < 0.05
    prediction[is_null] = None
    return pd.DataFrame(
        {
            "event_id": [f"e{i:05d}" for i in range(n)],
            "subject_id": [f"s{i}" for i in rng.integers(0, n // 4, n)],
            "request_id": [f"r{i}" for i in rng.integers(0, n // 3, n)],
            "version": rng.choice(["v1", "v2"], n, p=(share_of_v1, 1 - share_of_v1)),
            "status": rng.choice(["ok", "ok", "ok", "error"], n),
            "happened_at": [START + timedelta(seconds=int(s)) for s in rng.integers(0, 2 * 86_400, n)],
            "prediction": prediction,
            "is_null_output": is_null,
            "score": rng.random(n),
            "artifacts": [[f"a{i}"] for i in range(n)],
            "seg_line": rng.choice(["L1", "L'2"], n),
            "seg_o'clock": rng.choice(["am", "pm"], n),
        }
    )


def pairs_by_hand(events: pd.DataFrame, key: str) -> pd.DataFrame:
    good = events[events.status == "ok"].assign(label=lambda frame: frame.prediction.fillna(""))
    newest = good.sort_values(["happened_at", "event_id"]).groupby(["version", key]).tail(1)
    sides = [newest[newest.version == version].set_index(key) for version in ("v1", "v2")]
    return sides[0][["label"]].join(sides[1], how="inner", suffixes=("_a", "_b"))


@pytest.fixture
def events() -> pd.DataFrame:
    return make_events()


@pytest.fixture
def connection(events: pd.DataFrame) -> Iterator[Any]:
    made = duckdb.connect(":memory:")
    made.register("events", pa.Table.from_pandas(events, preserve_index=False))
    yield made
    made.close()


@pytest.fixture(autouse=True, params=[500_000, 250], ids=["one part", "several parts"])
def _part_answers(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairs, "PART_ANSWERS", request.param)


def count(
    connection: Any,
    keys: tuple[str, ...] = (),
    segments: dict[str, str] | None = None,
    truths: pa.Table = NO_TRUTH,
    by: Any = "subject",
) -> Tally:
    parts = each_part(connection, "v1", "v2", by, keys, with_items=False)
    return add_up(tally(connection, WINDOW, keys, segments or {}, truths) for _ in parts)


def list_page(connection: Any, keys: tuple[str, ...], limit: int, **options: Any) -> list[dict[str, Any]]:
    parts = each_part(connection, "v1", "v2", "subject", keys)
    pages = [list_disagreements(connection, keys, {}, NO_TRUTH, limit=limit, **options) for _ in parts]
    found: list[dict[str, Any]] = newest_first(pages, limit).to_pylist()
    return found


@pytest.mark.parametrize("by", ["subject", "request"])
def test_version_pairs_are_counted_as_by_hand(connection: Any, events: pd.DataFrame, by: Any) -> None:
    found = count(connection, ("line", "o'clock"), by=by)
    expected = pairs_by_hand(events, f"{by}_id")
    bucket = ((expected.happened_at - pd.Timestamp(START)).dt.total_seconds() // 3_600).astype(int)
    assert found.cells == expected.groupby(["label_a", "label_b", bucket]).size().to_dict()
    for key in ("line", "o'clock"):
        agreed = (expected.label_a == expected.label_b).groupby(expected[f"seg_{key}"]).agg(["size", "sum"])
        assert {value: n for (name, value), n in found.segments.items() if name == key} == {
            value: (row["size"], row["sum"]) for value, row in agreed.iterrows()
        }


@pytest.mark.parametrize("share_of_v1", [0.9, 0.1])
@pytest.mark.parametrize("with_items", [True, False])
def test_a_version_with_few_answers_is_paired_from_either_side(share_of_v1: float, with_items: bool) -> None:
    events = make_events(share_of_v1=share_of_v1)
    expected = pairs_by_hand(events, "subject_id")
    with duckdb.connect(":memory:") as connection:
        connection.register("events", pa.Table.from_pandas(events, preserve_index=False))
        parts = each_part(connection, "v1", "v2", "subject", ("line",), with_items=with_items)
        tables = [connection.sql("SELECT * FROM pairs").to_arrow_table() for _ in parts]
    found = pa.concat_tables(tables).to_pandas().set_index("key").sort_index()
    expected = expected.assign(artifact=expected.artifacts.str[0], subject_id=expected.index).sort_index()
    columns = ["subject_id", "label_a", "label_b", "seg_line"]
    columns += ["event_id", "score", "artifact"] if with_items else []
    assert found[columns].to_dict("index") == expected[columns].to_dict("index")
    assert (found.happened_at.dt.tz_convert("UTC") == expected.happened_at).all()
    assert ("event_id" in found) is with_items


def test_segment_filter_keeps_only_its_pairs(connection: Any, events: pd.DataFrame) -> None:
    found = count(connection, ("line",), {"line": "L'2"})
    expected = pairs_by_hand(events, "subject_id")
    assert sum(found.cells.values()) == (expected.seg_line == "L'2").sum()


def test_who_was_right_is_counted_where_truth_is_known(connection: Any, events: pd.DataFrame) -> None:
    truth = pd.DataFrame({"subject_id": [f"s{i}" for i in range(0, 1_000, 3)], "label": "open"})
    found = count(connection, truths=pa.Table.from_pandas(truth, preserve_index=False))
    known = pairs_by_hand(events, "subject_id").loc[lambda frame: frame.index.isin(truth.subject_id)]
    expected = pd.Series(zip(known.label_a == "open", known.label_b == "open", strict=True)).value_counts().to_dict()
    assert found.right == expected


def test_pages_of_disagreements_list_each_item_once_newest_first(connection: Any, events: pd.DataFrame) -> None:
    seen: list[dict[str, Any]] = []
    after = None
    while True:
        page = list_page(connection, ("line",), 37, after=after)
        if not page:
            break
        seen += page
        after = (page[-1]["happened_at"], page[-1]["key"])
    expected = pairs_by_hand(events, "subject_id")
    assert {row["subject_id"] for row in seen} == set(expected.index[expected.label_a != expected.label_b])
    assert len(seen) == len({row["subject_id"] for row in seen})
    times = [row["happened_at"] for row in seen]
    assert times == sorted(times, reverse=True)


def test_disagreements_of_one_cell_of_the_matrix(connection: Any) -> None:
    page = list_page(connection, (), 1000, labels=("ok", "open"))
    assert {(row["label_a"], row["label_b"]) for row in page} == {("ok", "open")}
