"""Numbers that callers send along: twice in one event, not finite, undeclared, and very many of them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from backend.client import ApiError, Client
from db.base import utc_now

pytestmark = pytest.mark.each_database

SignIn = Callable[..., Client]


def series(client: Client, measure: str) -> dict[str, float | None]:
    now = utc_now()
    found = client.monitors.series("pcb", measure, now - timedelta(days=1), now + timedelta(hours=1), grain_s=604_800)
    return {line.name: line.value[-1] for line in found.lines}


def test_a_metric_named_twice_or_not_finite_is_refused(sign_in: SignIn) -> None:
    client = sign_in("data_scientist")
    client.models.create(name="pcb", item_kind="tabular", metrics=["depth"])
    headers = {"Content-Type": "application/json"}
    for metrics, code in (
        ('{"depth": 1, "depth": 2}', "duplicate_key"),
        ('{"depth": NaN}', "not_finite"),
        ('{"depth": Infinity}', "not_finite"),
        ('{"depth": 1e999}', "out_of_range"),
        ('{"depth": "1"}', "wrong_type"),
        ('{"depth": true}', "wrong_type"),
    ):
        body = f'{{"version": "v1", "metrics": {metrics}}}'
        with pytest.raises(ApiError) as refused:
            client.transport.request("POST", "/v1/predictions?model=pcb", content=body, headers=headers)
        assert refused.value.code == code, metrics
    assert series(client, "metric_mean") == {}


def test_declared_and_undeclared_metrics_are_charted_and_can_be_picked(sign_in: SignIn) -> None:
    client = sign_in("data_scientist")
    client.models.create(name="pcb", item_kind="tabular", metrics=["depth"])
    client.predictions.log_many(
        [
            {"version": f"v{n % 2}", "metrics": {"depth": n - 5, "Depth": 7, "\u00e9": n, "e\u0301": n}}
            for n in range(10)
        ],
        model="pcb",
    )
    assert series(client, "metric_mean") == {"Depth": 7, "\u00e9": 4.5, "depth": -0.5}
    assert series(client, "metric_p50:Depth")[""] == pytest.approx(7, rel=0.01)
    now = utc_now()
    picked = client.monitors.series(
        "pcb", "metric_mean:depth", now - timedelta(days=1), now + timedelta(hours=1), grain_s=604_800, split="version"
    )
    assert {line.name: line.value[-1] for line in picked.lines} == {"v0": -1, "v1": 0}


def test_values_of_ten_thousand_categories_do_not_stop_the_charts(sign_in: SignIn) -> None:
    client = sign_in("data_scientist")
    known = [f"c{n}" for n in range(10_000)]
    inputs = [{"name": "part", "type": "string", "categories": known}, {"name": "free", "type": "string"}]
    client.models.create(name="pcb", item_kind="tabular", inputs=inputs)
    rows = [
        {"version": "v1", "inputs": {"part": f"c{n if n % 10 else -n - 1}", "free": f"any {n}"}, "prediction": f"p{n}"}
        for n in range(4_000)
    ]
    assert client.predictions.log_many(rows, model="pcb").n_new == 4_000
    assert series(client, "unseen_category_rate") == {"part": pytest.approx(0.1)}
    now = utc_now()
    free = client.monitors.series(
        "pcb", "unseen_category_rate", now - timedelta(days=1), now + timedelta(hours=1), grain_s=604_800,
        where=["version=v1"],
    )  # fmt: skip
    assert [line.value[-1] for line in free.lines] == [pytest.approx(0.1)]
    labels = client.monitors.series("pcb", "label_shares", now - timedelta(days=1), now + timedelta(hours=1))
    assert (len(labels.lines), labels.n_left_out) == (20, 180)
