"""What must hold of verdicts: the budget on clean data, and that what is broken is found and named."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from backend.drift.consequence import weigh
from backend.drift.verdicts import VERDICTS, Rules, rank
from db.eventlog.feature_profile import make_profile
from tests.drift.profiles import RULES, as_table, judge, judge_many

N_REF, N = 20_000, 1_000
DRIFTED = VERDICTS.index("drifted")


def twenty(n: int, rng: np.random.Generator) -> dict[str, Any]:
    """Twenty features of all kinds without drift."""
    columns: dict[str, Any] = {f"normal_{i}": rng.normal(i, 1 + i, n) for i in range(6)}
    columns |= {f"lognormal_{i}": rng.lognormal(0, 0.5 + i / 4, n) for i in range(4)}
    columns |= {f"count_{i}": rng.poisson(1 + 2 * i, n).astype(float) for i in range(3)}
    columns |= {f"flag_{i}": rng.random(n) < 0.02 + i / 4 for i in range(2)}
    holes = rng.normal(0, 1, n)
    holes[rng.random(n) < 0.1] = np.nan
    columns["holes"] = holes
    columns["zeros"] = np.where(rng.random(n) < 0.6, 0.0, rng.gamma(2, 1, n))
    columns["city"] = rng.choice(["a", "b", "c"], n, p=[0.7, 0.25, 0.05])
    columns["part"] = np.char.add("p", rng.zipf(1.6, n).clip(max=5_000).astype(str))
    columns["bins"] = rng.integers(0, 12, n).astype(float)
    return columns


def test_a_clean_month_of_hours_keeps_its_alarms_within_the_budget() -> None:
    """30 days x 20 features x 24 windows from real values; the same 720 windows at 0.05 without the budget fire."""
    rng = np.random.default_rng(11)
    profile = make_profile(table := as_table(twenty(50_000, rng)), table.schema.names)
    assert len(profile.features) == 20
    n_windows, n = 720, 150
    current = as_table(twenty(n_windows * n, rng))
    grid = judge_many(profile, current, np.repeat(np.arange(n_windows), n), n_windows, RULES)
    assert (grid.verdict == DRIFTED).any(axis=0).sum() <= 2
    careless = judge_many(profile, current, np.repeat(np.arange(n_windows), n), n_windows, Rules(alpha=0.5, floor=0))
    assert (careless.verdict == DRIFTED).any(axis=0).sum() > 30


def test_a_clean_year_spends_no_more_than_its_budget() -> None:
    """Twelve months x 720 windows x 20 features, each month with a reference of its own."""
    from backend.drift.verdicts import Shape, judge_grid

    rng = np.random.default_rng(4)
    shapes = [Shape(f"f{i}", "number", (*range(10), 10)) for i in range(20)]
    shares = np.append(np.full(10, 0.099), 0.01)
    n_alarms = 0
    for _ in range(12):
        reference = list(rng.multinomial(10_000, shares, 20))
        current = list(rng.multinomial(400, shares, (20, 720)))
        grid = judge_grid(shapes, reference, current, RULES)
        n_alarms += int((grid.verdict == DRIFTED).any(axis=0).sum())
    assert n_alarms <= 12 + 2 * 12**0.5


@pytest.mark.parametrize("wild", [1e6, -999.0, np.inf, -np.inf])
@pytest.mark.parametrize("side", ["reference", "current"])
def test_a_shift_of_one_sigma_is_found_beside_one_wild_value(wild: float, side: str) -> None:
    rng = np.random.default_rng(1)
    reference, current = rng.normal(0, 1, 1_000), rng.normal(1, 1, 300)
    (reference if side == "reference" else current)[0] = wild
    found = judge({"in_x": reference}, {"in_x": current})["in_x"]
    assert (found.verdict, found.reason, found.direction) == ("drifted", "shift", "up")
    assert found.shift_sigma == pytest.approx(1, abs=0.25)
    assert found.wasserstein == pytest.approx(1, abs=0.25)
    clean = judge({"in_x": reference}, {"in_x": np.append(rng.normal(0, 1, 999), wild)})["in_x"]
    assert clean.verdict == "ok"


def test_missing_values_are_drift_with_that_reason() -> None:
    rng = np.random.default_rng(2)
    current = rng.normal(size=N)
    current[rng.random(N) < 0.6] = np.nan
    found = judge({"in_x": rng.normal(size=N_REF)}, {"in_x": current})["in_x"]
    assert (found.verdict, found.reason) == ("drifted", "missing")
    assert (found.null_rate_reference, found.null_rate_current) == (0, pytest.approx(0.6, abs=0.05))
    back = judge({"in_x": current}, {"in_x": rng.normal(size=N)})["in_x"]
    assert (back.verdict, back.reason) == ("drifted", "less_missing")


def test_one_broken_feature_of_twenty_is_named_and_no_other() -> None:
    rng = np.random.default_rng(3)
    current = twenty(N, rng)
    current["normal_3"] = current["normal_3"] + 4.0  # one sigma
    found = judge(twenty(N_REF, rng), current)
    assert [name for name, one in found.items() if one.verdict == "drifted"] == ["normal_3"]
    assert rank(list(found.values()))[0].feature == "normal_3"


def test_eight_rows_are_insufficient_and_say_how_many_are_needed() -> None:
    rng = np.random.default_rng(4)
    for shift in (0.0, 5.0):
        found = judge({"in_x": rng.normal(size=N_REF)}, {"in_x": rng.normal(shift, 1, 8)})["in_x"]
        assert (found.verdict, found.reason) == ("insufficient", "too_few_rows")
        assert found.n_needed is not None
        assert 200 < found.n_needed < 500
    enough = judge({"in_x": rng.normal(size=N_REF)}, {"in_x": rng.normal(0, 1, found.n_needed)})["in_x"]
    assert enough.verdict == "ok"
    assert enough.visible_sigma == pytest.approx(0.3, abs=0.01)


def test_a_sure_but_tiny_difference_is_negligible() -> None:
    rng = np.random.default_rng(5)
    found = judge({"in_x": rng.normal(size=200_000)}, {"in_x": rng.normal(0.05, 1, 200_000)})["in_x"]
    assert found.verdict == "negligible"
    assert found.shift_sigma == pytest.approx(0.05, abs=0.015)


def test_the_reason_says_what_happened() -> None:
    rng = np.random.default_rng(6)
    cities = lambda *p: rng.choice(["a", "b", "c"], N, p=p)  # noqa: E731
    ref = {"in_n": rng.normal(size=N_REF), "in_c": rng.choice(["a", "b", "c"], N_REF, p=[0.5, 0.3, 0.2])}
    cases: list[tuple[Any, Any, str, str | None]] = [
        ("in_n", rng.normal(-0.8, 1, N), "shift", "down"),
        ("in_n", rng.normal(0, 2, N), "spread", None),
        ("in_c", np.where(rng.random(N) < 0.2, "new", cities(0.5, 0.3, 0.2)), "new_category", None),
        ("in_c", cities(0.7, 0.3, 0.0), "lost_category", None),
        ("in_c", cities(0.2, 0.3, 0.5), "shares", None),
    ]
    for name, values, reason, direction in cases:
        current = {"in_n": rng.normal(size=N), "in_c": cities(0.5, 0.3, 0.2), name: values}
        found = judge(ref, current)[name]
        assert (found.verdict, found.reason, found.direction) == ("drifted", reason, direction)
        assert found.moved
        assert sum(one.part for one in found.moved) > 0.5


ODD: dict[str, Any] = {
    "all_null": pa.nulls(N, pa.float64()),
    "all_null_text": pa.nulls(N, pa.string()),
    "constant": np.full(N, 5.0),
    "single_category": ["only"] * N,
    "infinite": np.full(N, np.inf),
    "two_values": [0.0, 1.0] * (N // 2),
    "ids": [f"id-{i}" for i in range(N)],
    "huge": np.array([1e300, -1e300] * (N // 2)),
    "tiny": np.full(N, 5e-324),
}


@pytest.mark.parametrize("name", sorted(ODD))
def test_an_odd_column_has_a_status_and_leaves_the_others_alone(name: str) -> None:
    rng = np.random.default_rng(7)
    normal = rng.normal(size=N)
    ids = [f"other-{i}" for i in range(N)]
    same = judge({"odd": ODD[name], "in_x": normal}, {"odd": ids if name == "ids" else ODD[name], "in_x": normal})
    assert same["odd"].verdict == "ok"
    assert same["in_x"].verdict == "ok"
    if same["odd"].kind == "number":
        changed = judge({"odd": ODD[name], "in_x": normal}, {"odd": rng.normal(2, 1, N), "in_x": normal})
    else:
        changed = judge({"odd": ODD[name], "in_x": normal}, {"odd": rng.choice(["x", "y"], N), "in_x": normal})
    # Of ids every value is new, before and after: that is no drift, and no alarm either.
    assert changed["odd"].verdict == ("ok" if name == "ids" else "drifted")
    assert changed["in_x"].verdict == "ok"
    gone = judge({"odd": ODD[name], "in_x": normal}, {"in_x": normal})
    assert gone["odd"].verdict == ("ok" if name.startswith("all_null") else "drifted")


def test_an_empty_window_is_insufficient_for_every_feature() -> None:
    rng = np.random.default_rng(8)
    reference = as_table(twenty(N, rng))
    found = judge(reference, reference.slice(0, 0))
    assert {one.verdict for one in found.values()} == {"insufficient"}
    assert all(one.n_needed is None or one.n_needed > 0 for one in found.values())


def test_a_column_that_changed_its_type_counts_as_missing_and_no_exception() -> None:
    rng = np.random.default_rng(9)
    found = judge(
        {"in_x": rng.normal(size=N), "in_y": rng.normal(size=N)}, {"in_x": ["text"] * N, "in_y": rng.normal(size=N)}
    )
    assert (found["in_x"].verdict, found["in_x"].reason) == ("drifted", "missing")
    assert found["in_y"].verdict == "ok"


def test_grid_and_window_say_the_same() -> None:
    rng = np.random.default_rng(10)
    reference = as_table(twenty(N_REF, rng))
    broken = twenty(N, rng)
    broken["holes"] = np.full(N, np.nan)
    windows = [as_table(twenty(N, rng)), as_table(broken), as_table(twenty(10, rng))]
    profile = make_profile(reference, reference.schema.names)
    cell = np.repeat([0, 1, 2], [N, N, 10])
    joined = pa.concat_tables([window.cast(windows[0].schema) for window in windows])
    grid = judge_many(profile, joined, cell, 3, RULES)
    for place, window in enumerate(windows):
        alone = judge(reference, window)
        assert [VERDICTS[code] for code in grid.verdict[:, place]] == [one.verdict for one in alone.values()]
        assert grid.shift_sigma[:, place] == pytest.approx([one.shift_sigma for one in alone.values()])


def test_consequence_is_harmful_benign_or_unknown() -> None:
    inside = np.arange(1_000) < 300
    rng = np.random.default_rng(11)
    worse = rng.random(1_000) < np.where(inside, 0.3, 0.05)
    assert weigh(inside, worse, np.ones(1_000)).verdict == "harmful"
    alike = np.arange(1_000) % 50 == 0
    assert weigh(inside, alike, np.ones(1_000)).verdict == "benign"
    few = weigh(np.arange(30) < 10, np.zeros(30, dtype=bool), np.ones(30))
    assert (few.verdict, few.error_inside) == ("unknown", 0)
    nobody = weigh(np.zeros(0, dtype=bool), np.zeros(0, dtype=bool), np.zeros(0))
    assert (nobody.verdict, nobody.error_inside) == ("unknown", None)


def test_consequence_undoes_how_items_were_chosen() -> None:
    """Doubtful items are looked at ten times as often: counted plainly they would make the inside look bad."""
    rng = np.random.default_rng(12)
    n = 40_000
    inside, is_wrong = rng.random(n) < 0.5, rng.random(n) < 0.1
    chance = np.where(is_wrong & inside, 0.5, 0.05)
    seen = rng.random(n) < chance
    found = weigh(inside[seen], is_wrong[seen], 1 / chance[seen])
    assert found.error_inside == pytest.approx(0.1, abs=0.02)
    assert found.verdict != "harmful"
