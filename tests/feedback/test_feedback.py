"""Signals told later: through the API, joined by the worker, counted once, charted by the time of the prediction."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient

from backend.client import ApiError, Client
from backend.worker.feedback import FIRST_RETRY_S, FeedbackJoiner
from db.base import utc_now
from db.eventlog.seal import seal
from db.models.model import Model
from db.repositories import feedback

START = datetime(2026, 5, 1, tzinfo=UTC)
DAY = timedelta(days=1)


class Shop:
    """A model whose 20 recommendations of a day get feedback."""

    def __init__(self, app: TestClient, client: Client) -> None:
        self.services: Any = app.app.state.services  # type: ignore[attr-defined]
        self.client = client
        with self.services.database.write() as session:
            self.model = Model(name="shop", item_kind="tabular", segment_keys=["site"])
            session.add(self.model)
        self.joiner = FeedbackJoiner(self.services.database, self.services.eventlog)

    def log(self, first: int, last: int) -> None:
        rows = [
            {
                "id": f"p{i}",
                "version": f"v{i % 2}",
                "happened_at": (START + i * timedelta(hours=1)).isoformat(),
                "prediction": "shoes",
                "segments": {"site": "A" if i < 10 else "B"},
            }
            for i in range(first, last)
        ]
        assert self.services.eventlog.log_rows(self.model, rows).n_new == last - first

    def join(self, after_s: float = 0.0) -> int:
        return self.joiner.run(utc_now() + timedelta(seconds=after_s))

    def rate(self, measure: str = "feedback_rate", **more: Any) -> dict[str, list[float | None]]:
        found = self.client.monitors.series("shop", measure, START, START + DAY, grain_s=86_400, **more)
        return {line.name: line.value for line in found.lines}


@pytest.fixture
def shop(app: TestClient, sign_in: Callable[..., Client]) -> Shop:
    return Shop(app, sign_in("data_scientist"))


def signal(place: int, name: str = "clicked", **more: Any) -> dict[str, Any]:
    return {"prediction_id": f"p{place}", "name": name, "happened_at": "2026-05-02T08:00:00Z", **more}


def test_a_signal_counts_once_per_prediction_wherever_the_prediction_lies(shop: Shop) -> None:
    shop.log(0, 10)
    seal(shop.services.database, shop.services.eventlog.lake.uri, shop.model.id, owner="test")
    shop.log(10, 20)
    told = shop.client.feedback.send("shop", [signal(i, key=f"k{i}", value=float(i)) for i in range(5)])
    assert (told.n, told.n_new, told.n_duplicate) == (5, 5, 0)
    again = shop.client.feedback.send("shop", [signal(i, key=f"k{i}", value=float(i)) for i in range(6)])
    assert (again.n_new, again.n_duplicate) == (1, 5)
    shop.client.feedback.send("shop", [signal(12), signal(12), signal(13, "overrode")])
    assert shop.join() == 9
    assert shop.rate() == {"clicked": [7 / 20], "overrode": [1 / 20]}
    assert shop.rate("feedback_value") == {"clicked": [2.5]}
    assert shop.rate("feedback_rate:clicked", split="version") == {"v0": [4 / 10], "v1": [3 / 10]}
    assert shop.rate("feedback_rate:clicked", segments={"site": "A"}) == {"": [6 / 10]}
    assert shop.rate("feedback_rate", where=["version=v0"]) == {"clicked": [4 / 10]}
    assert shop.rate("feedback_value", where=["seg_site=A", "version=v1"]) == {"clicked": [3.0]}
    seal(shop.services.database, shop.services.eventlog.lake.uri, shop.model.id, owner="test")
    assert shop.rate() == {"clicked": [7 / 20], "overrode": [1 / 20]}
    rows = shop.client.feedback.list("shop", "p12")
    assert [(row.name, row.is_counted, row.predicted_at) for row in rows] == [
        ("clicked", True, START + timedelta(hours=12)),
        ("clicked", False, START + timedelta(hours=12)),
    ]


def test_feedback_that_comes_first_waits_for_its_prediction(shop: Shop) -> None:
    shop.client.feedback.send("shop", signal(3))
    assert shop.join() == 0
    assert shop.rate() == {}
    shop.log(0, 5)
    assert shop.join() == 0  # not looked for again so soon
    assert shop.join(FIRST_RETRY_S + 1) == 1
    assert shop.join(10 * FIRST_RETRY_S) == 0
    assert shop.rate() == {"clicked": [1 / 5]}


def test_feedback_on_nothing_is_kept_and_looked_for_ever_more_rarely(shop: Shop) -> None:
    shop.client.feedback.send("shop", {"prediction_id": "never", "name": "clicked"})
    waited = 0.0
    for tries in range(4):
        shop.join(waited)
        with shop.services.database.read() as session:
            (row,) = feedback.list_feedback(session, shop.model.id, "never", limit=9)
            assert (row.n_tries, feedback.count_waiting(session, shop.model.id)) == (tries + 1, 1)
        waited += FIRST_RETRY_S * 2**tries + 1
    assert waited > 15 * FIRST_RETRY_S


def test_keys_make_repeats_harmless_and_misuse_visible(shop: Shop) -> None:
    send = shop.client.feedback.send
    batch = [signal(1), signal(1), signal(2)]
    assert send("shop", batch, key="retry-me").n_new == 3
    assert (send("shop", batch, key="retry-me").n_new, send("shop", batch, key="other").n_new) == (0, 3)
    told = send("shop", [signal(1, key="a"), signal(1, key="a"), signal(2, key="a")])
    assert (told.n_new, told.n_duplicate, told.conflicts) == (1, 1, [2])
    # names that look the same are one signal
    assert send("shop", [signal(4, "e\u0301 ", key="b"), signal(4, "\u00e9", key="b")]).conflicts == []


BAD: list[tuple[Any, int]] = [
    ({"prediction_id": "p", "name": " "}, 422),
    ({"prediction_id": "", "name": "clicked"}, 422),
    ({"prediction_id": "p", "name": "clicked", "value": "much"}, 422),
    ({"prediction_id": "p", "name": "clicked", "happened_at": "2999-01-01T00:00:00Z"}, 422),
    ({"prediction_id": "p", "name": "clicked", "happened_at": "2026-05-01T00:00:00"}, 422),
    ({"prediction_id": "p\0", "name": "clicked"}, 422),
    ({"prediction_id": "p", "name": "clicked", "colour": 1}, 422),
    ({"prediction_id": "p", "name": "clicked", "model": "other"}, 422),
    ([], 422),
    ([signal(1), 7], 422),
    ([signal(1)] * 10_001, 422),
]


def test_feedback_that_makes_no_sense_is_refused_whole(shop: Shop) -> None:
    for body, status in BAD:
        with pytest.raises(ApiError) as refused:
            shop.client.feedback.send("shop", body)
        assert refused.value.status == status, body
    for value in ("NaN", "Infinity", "-1e999"):
        raw = f'{{"prediction_id": "p", "name": "clicked", "value": {value}}}'
        headers = {"Content-Type": "application/json"}
        answer = shop.client.transport.http.request("POST", "/v1/feedback?model=shop", content=raw, headers=headers)
        assert answer.status_code in (400, 422), value
    with shop.services.database.read() as session:
        assert feedback.count_waiting(session, shop.model.id) == 0


def test_a_viewer_tells_nothing_and_reads_nothing(shop: Shop, sign_in: Callable[..., Client]) -> None:
    viewer = sign_in("viewer").feedback
    for call in (lambda: viewer.send("shop", signal(1)), lambda: viewer.list("shop", "p1")):
        with pytest.raises(ApiError) as refused:
            call()
        assert refused.value.status == 403
