"""Real crowds as inspectors: weather sentiment (five labels, with times) and sentence polarity (two labels)."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

import pytest
from fastapi.testclient import TestClient

from backend.client import Client
from backend.decisions.schemas import DecisionIn
from backend.ground_truth.schemas import TruthIn
from db.models.model import Model
from db.models.review import Decision, GroundTruth

pytestmark = [pytest.mark.data, pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)]

START = datetime(2026, 5, 4, tzinfo=UTC)
END = START + timedelta(days=1)


def read(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / name).open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_weather_sentiment_sent_as_decisions_gives_the_known_agreement(
    sign_in: Callable[..., Client], data_folder: Callable[[str], Path]
) -> None:
    rows = read(data_folder("crowd_active_toolkit"), "CF_amt.csv")
    scientist = sign_in("data_scientist")
    scientist.models.create(name="weather", item_kind="text", labels=[{"name": str(n)} for n in range(5)])
    sent = [
        DecisionIn(
            subject_id=row["item_id"],
            judge=f"person:{row['worker_id']}",
            label=row["label"],
            decided_at=START + timedelta(seconds=n),
            duration_ms=1000 * int(row["seconds"]),
            pi=1.0,
        )
        for n, row in enumerate(rows)
    ]
    assert scientist.decisions.send("weather", sent).n_stored == len(rows) == 6030
    gold = {row["item_id"]: row["gold"] for row in rows}
    scientist.ground_truth.send("weather", [TruthIn(subject_id=item, label=label) for item, label in gold.items()])

    found = scientist.judges.agreement("weather", START, END)
    [everyday] = found.between
    assert everyday.alpha.value == pytest.approx(0.521, abs=5e-4)
    assert everyday.alpha.lower is not None
    assert everyday.alpha.upper is not None
    assert everyday.alpha.lower < 0.521 < everyday.alpha.upper
    assert (found.counted.n_answers, found.counted.n_judges, found.counted.n_left_out) == (6030, 110, 0)
    assert (found.counted.n_repeated, found.counted.n_repeated_differing) == (5, 0)
    assert (everyday.n_subjects, len(found.judges)) == (300, 110)
    assert found.team is not None
    unique = {(row["worker_id"], row["item_id"]): row["label"] == row["gold"] for row in rows}
    assert found.team.effectiveness.n_hits == sum(unique.values())
    assert found.team.effectiveness.n == len(unique) == 6025
    assert found.team.speed.median_ms == median(1000 * int(row["seconds"]) for row in rows)
    assert {row.judge for row in found.judges} == {None}

    said = scientist.judges.consensus("weather", START, END, show="ties", limit=100)
    ways = {way.method: way for way in said.methods}
    assert said.n_ties == len(said.items) == ways["majority"].n_undecided == 8
    assert all(len(item.majority) >= 2 for item in said.items)
    assert ways["majority_first_label"].accuracy.value == pytest.approx(0.847, abs=5e-4)
    assert ways["majority"].accuracy.n == 292
    assert said.fit.is_converged
    print(f"weather: majority {ways['majority_first_label'].accuracy.value:.4f}, ", end="")
    print(f"Dawid-Skene {ways['dawid_skene'].accuracy.value:.4f} after {said.fit.n_iterations} rounds")
    assert ways["dawid_skene"].accuracy.value == pytest.approx(peer_accuracy(rows, 5), abs=1 / 300)


def test_sentence_polarity_of_203_people_in_one_window(
    app: TestClient, sign_in: Callable[..., Client], data_folder: Callable[[str], Path]
) -> None:
    rows = read(data_folder("crowd_active_toolkit"), "SP.csv")
    store(app, rows)
    client = sign_in("admin")
    [everyday] = client.judges.agreement("polarity", START, END).between
    assert everyday.alpha.value == pytest.approx(0.428, abs=5e-4)
    said = client.judges.consensus("polarity", START, END, show="ties", limit=1000)
    ways = {way.method: way for way in said.methods}
    assert said.n_ties == len(said.items) == 181
    assert said.counted.n_repeated == 0
    assert ways["majority_first_label"].accuracy.value == pytest.approx(0.890, abs=5e-4)
    print(f"polarity: majority {ways['majority_first_label'].accuracy.value:.4f}, ", end="")
    print(f"Dawid-Skene {ways['dawid_skene'].accuracy.value:.4f} after {said.fit.n_iterations} rounds")
    assert ways["dawid_skene"].accuracy.value == pytest.approx(peer_accuracy(rows, 2), abs=0.002)


def store(app: TestClient, rows: list[dict[str, str]]) -> None:
    """The whole crowd as stored decisions, and the known labels."""
    with app.app.state.services.database.write() as session:  # type: ignore[attr-defined]
        model = Model(name="polarity", item_kind="text", labels=[{"name": "0"}, {"name": "1"}])
        session.add(model)
        session.flush()
        session.execute(
            Decision.__table__.insert(),  # type: ignore[attr-defined]
            [
                {
                    "model_id": model.id,
                    "subject_id": row["item_id"],
                    "judge": f"person:{row['worker_id']}",
                    "label": row["label"],
                    "pi": 1.0,
                    "decided_at": START + timedelta(seconds=n),
                }
                for n, row in enumerate(rows)
            ],
        )
        gold = {row["item_id"]: row["gold"] for row in rows}
        session.execute(
            GroundTruth.__table__.insert(),  # type: ignore[attr-defined]
            [
                {"model_id": model.id, "subject_id": item, "label": label, "method": "measured", "resolved_by": "lab"}
                for item, label in gold.items()
            ],
        )


def peer_accuracy(rows: list[dict[str, str]], n_labels: int) -> float:
    """Dawid-Skene written out subject by subject without numpy, 60 rounds, as an independent count."""
    import math

    answers = {(row["worker_id"], row["item_id"]): int(row["label"]) for row in rows}
    by_item: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for (worker, item), label in answers.items():
        by_item[item].append((worker, label))
    labels = range(n_labels)
    belief = {
        item: [sum(said == k for _, said in given) / len(given) for k in labels] for item, given in by_item.items()
    }
    for _ in range(60):
        counts = {worker: [[1.0 if k == said else 0.1 for said in labels] for k in labels] for worker, _ in answers}
        share = [1.0 + sum(one[k] for one in belief.values()) for k in labels]
        for item, given in by_item.items():
            for worker, said in given:
                for k in labels:
                    counts[worker][k][said] += belief[item][k]
        logs = {w: [[math.log(c / sum(row)) for c in row] for row in table] for w, table in counts.items()}
        for item, given in by_item.items():
            weight = [math.log(share[k]) + sum(logs[w][k][said] for w, said in given) for k in labels]
            top = max(weight)
            raised = [math.exp(one - top) for one in weight]
            belief[item] = [one / sum(raised) for one in raised]
    gold = {row["item_id"]: int(row["gold"]) for row in rows}
    return sum(one.index(max(one)) == gold[item] for item, one in belief.items()) / len(belief)
