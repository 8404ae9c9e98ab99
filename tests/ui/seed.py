"""Something to look at before there is real traffic: one inspection model, two versions, a week of predictions with a
slow release and missing answers, two simulated people, some truth, some refused rows. All of it through the API.

Run by hand against a server: `python -m tests.ui.seed http://127.0.0.1:8300 TOKEN`.
"""

from __future__ import annotations

import io
import math
import random
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from PIL import Image, ImageDraw

from backend.client import Client
from backend.decisions.schemas import DecisionIn
from backend.ground_truth.schemas import TruthIn

MODEL = "board-check"
LABELS: list[dict[str, Any]] = [
    {"name": "ok", "title": {"en": "Good", "vi": "Đạt"}},
    {"name": "open", "title": {"en": "Open", "vi": "Đứt mạch"}, "is_defect": True},
    {"name": "short", "title": {"en": "Short", "vi": "Ngắn mạch"}, "is_defect": True},
]


def seed(client: Client, *, now: datetime | None = None, days: int = 7, per_hour: int = 20) -> None:
    """Fills an empty server with a week of one model."""
    now = now or datetime.now(UTC)
    rng = random.Random(7)
    client.models.create(
        name=MODEL,
        title={"en": "Board check", "vi": "Kiểm tra bo mạch"},
        item_kind="image",
        labels=LABELS,
        inputs=[
            {"name": "brightness", "type": "number", "minimum": 0.25, "maximum": 0.8},
            {"name": "focus", "type": "number"},
            {"name": "camera", "type": "string", "categories": ["left", "right"]},
            {"name": "belt_speed", "type": "number"},
        ],
        metrics=["queue_length"],
        segment_keys=["line"],
        null_outputs=[""],
    )
    for version in ("v1", "v2"):
        client.model_versions.create(MODEL, name=version, kind="external")
    client.rollouts.create(
        MODEL, champion="v1", challengers=[{"version": "v2", "mode": "shadow"}], reason="first release"
    )
    pictures = _pictures(client, rng)
    items = list(_items(now, days, per_hour, rng))
    for item in items:
        item["artifacts"] = [rng.choice(pictures[item["truth"]]), pictures["ok"][0]]
    events = [event for item in items for event in _events(item, now, rng)]
    for first in range(0, len(events), 2000):
        client.predictions.log_many(events[first : first + 2000], model=MODEL)
    broken = [{"prediction": "ok"}, {"version": "v1", "happened_at": "yesterday"}]
    client.predictions.log_many([events[-1], *broken], model=MODEL)
    _judge(client, items, rng)
    _tell(client, items, rng)


def _pictures(client: Client, rng: random.Random) -> dict[str, list[str]]:
    """Some drawn boards per class: tracks, a gap for an open, a bridge for a short."""
    found: dict[str, list[str]] = {}
    for label in ("ok", "open", "short"):
        for _ in range(4):
            image = Image.new("RGB", (320, 240), "#1d5c3a")
            draw = ImageDraw.Draw(image)
            for row in range(6):
                draw.line([(10, 25 + row * 38), (310, 25 + row * 38)], fill="#d9c27a", width=9)
            x, y = rng.randrange(60, 250), 25 + rng.randrange(0, 5) * 38
            if label == "open":
                draw.rectangle([x, y - 6, x + 14, y + 6], fill="#1d5c3a")
            elif label == "short":
                draw.rectangle([x, y, x + 9, y + 38], fill="#d9c27a")
            buffer = io.BytesIO()
            image.save(buffer, "PNG")
            found.setdefault(label, []).append(client.artifacts.upload(buffer.getvalue(), "image/png").sha256)
    return found


def _items(now: datetime, days: int, per_hour: int, rng: random.Random) -> Iterator[dict[str, Any]]:
    """The things judged, with what they really are."""
    for hour in range(days * 24, 0, -1):
        at = now - timedelta(hours=hour)
        rhythm = 1 + 0.6 * math.sin((at.hour - 6) / 24 * 2 * math.pi)
        for number in range(int(per_hour * rhythm)):
            truth = rng.choices(["ok", "open", "short"], [0.85, 0.1, 0.05])[0]
            moment = at + timedelta(seconds=rng.uniform(0, 3599))
            if moment < now:
                yield {"id": f"board-{hour}-{number}", "at": moment, "truth": truth, "line": rng.choice(["L1", "L2"])}


def _events(item: dict[str, Any], now: datetime, rng: random.Random) -> Iterator[dict[str, Any]]:
    is_late = item["at"] > now - timedelta(days=1)
    said = {"v1": _answer(item["truth"], 0.93, rng), "v2": _answer(item["truth"], 0.96, rng)}
    for version, role in (("v1", "champion"), ("v2", "shadow")):
        is_null = is_late and item["line"] == "L2" and rng.random() < 0.08
        is_error = rng.random() < (0.03 if is_late else 0.004)
        event = {
            "version": version,
            "role": role,
            "subject_id": item["id"],
            "request_id": f"r-{item['id']}",
            "happened_at": item["at"].isoformat(),
            "id": f"{role}-{item['id']}",
            "trace_id": f"t-{item['id']}",
            "inputs": {
                "brightness": round(rng.gauss(0.5, 0.1), 3),
                "focus": rng.choice([None, 0.7, 0.8, 0.9]),
                "camera": "top" if is_late and rng.random() < 0.02 else rng.choice(["left", "right"]),
                "belt_speed": 0.5,
            },
            "metrics": {"queue_length": rng.randrange(9), "drift_c": round(rng.gauss(0, 2), 2)},
            "prediction": None if is_null or is_error else said[version],
            **_scores(said[version], rng),
            "latency_ms": round(rng.lognormvariate(4.4 if is_late and version == "v1" else 3.6, 0.4), 2),
            "status": "error" if is_error else "ok",
            "segments": {"line": item["line"]},
            "artifacts": item["artifacts"],
        }
        if is_error:
            event["error"] = "camera timed out"
        if role == "shadow":
            event["champion_prediction"] = said["v1"]
        yield event


def _scores(said: str, rng: random.Random) -> dict[str, Any]:
    """How sure the version is of its answer, and what it leaves for the other labels."""
    score = round(rng.uniform(0.6, 0.99), 3)
    rest = [name for name in ("ok", "open", "short") if name != said]
    return {"score": score, "scores": {said: score, **{name: round((1 - score) / 2, 4) for name in rest}}}


def _answer(truth: str, skill: float, rng: random.Random) -> str:
    return truth if rng.random() < skill else rng.choice([name for name in ("ok", "open", "short") if name != truth])


def _tell(client: Client, items: list[dict[str, Any]], rng: random.Random) -> None:
    """What operators did with some answers later."""
    signals = [
        {
            "prediction_id": f"champion-{item['id']}",
            "name": rng.choice(["overrode", "looked_again"]),
            "happened_at": (item["at"] + timedelta(minutes=1)).isoformat(),
            "value": rng.randrange(1, 60),
            "key": f"told-{item['id']}",
        }
        for item in rng.sample(items, len(items) // 12)
    ]
    client.feedback.send(MODEL, signals)


def _judge(client: Client, items: list[dict[str, Any]], rng: random.Random) -> None:
    """Two people decide a sample blind, a third of it both; the truth of some items is known."""
    sample = rng.sample(items, min(600, len(items)))
    decisions = []
    for position, item in enumerate(sample):
        people = ["person:an", "person:binh"] if position % 3 == 0 else ["person:an" if position % 2 else "person:binh"]
        for judge in people:
            decided_at = item["at"] + timedelta(minutes=4)
            label = _answer(item["truth"], 0.97, rng)
            decisions.append(DecisionIn(subject_id=item["id"], judge=judge, label=label, pi=0.2, decided_at=decided_at))
    client.decisions.send(MODEL, decisions)
    client.ground_truth.send(MODEL, [TruthIn(subject_id=item["id"], label=item["truth"]) for item in sample[:200]])


if __name__ == "__main__":
    with Client(sys.argv[1], sys.argv[2]) as client:
        seed(client)
