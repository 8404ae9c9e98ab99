"""The month's predictions: a realistic daily rhythm as columns, with the story's faults in them. Pure, seeded."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from backend.demo.story import (
    BOARDS,
    DEFECT_RATE,
    LABELS,
    LATENCY_MS,
    LINES,
    LOCATOR_INPUTS,
    LOCATOR_MS,
    SHIFTS,
    ZONE,
    Story,
)

#: Share of a working day's boards in each hour of the factory's day: three shifts with breaks.
_HOURS = np.array(
    [2, 2, 2, 1, 2, 2, 6, 8, 9, 8, 9, 5, 8, 9, 7, 8, 8, 8, 5, 7, 7, 6, 3, 2], dtype=np.float64
)  # fmt: skip
_WEEKDAYS = (1.0, 1.04, 1.0, 1.02, 0.97, 0.5, 0.12)


@dataclass(slots=True)
class Traffic:
    """One row per board, ordered by time. `readings` are the inputs, NaN where one was lost."""

    at_us: np.ndarray
    line: np.ndarray
    shift: np.ndarray
    board: np.ndarray
    truth: np.ndarray
    light: np.ndarray
    has_picture: np.ndarray
    is_fault: np.ndarray
    readings: dict[str, np.ndarray]

    def __len__(self) -> int:
        return len(self.at_us)

    def times(self) -> list[datetime]:
        return [_moment(at) for at in self.at_us.tolist()]


def _moment(at_us: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at_us)


def make_traffic(story: Story, boards_per_day: int, n_pictures: int, rng: np.random.Generator) -> Traffic:
    """All boards of the month; about `n_pictures` of them keep their picture, more since the shadow began
    and most in the last days."""
    at_us = np.sort(np.concatenate([_day(story, day, boards_per_day, rng) for day in range(story.days)]))
    n = len(at_us)
    line = rng.choice(len(LINES), n, p=(0.4, 0.34, 0.26))
    hour = ((at_us // 3_600_000_000) + 7) % 24
    shift = np.where((hour >= 6) & (hour < 14), 0, np.where((hour >= 14) & (hour < 22), 1, 2))
    truth = np.where(rng.random(n) < DEFECT_RATE, rng.integers(1, len(LABELS), n), 0)
    places = zip(line.tolist(), at_us.tolist(), strict=True)
    light = np.array([story.light(LINES[where], _moment(at)) for where, at in places])
    light = light * rng.normal(1.0, 0.012, n)
    fault_line, fault_start, fault_end = story.camera_fault
    is_fault = (line == LINES.index(fault_line)) & (at_us >= _us(fault_start)) & (at_us < _us(fault_end))
    weight = np.where(at_us >= _us(story.shadow_start), 2.2, 1.0) * ~is_fault
    weight = np.where(at_us >= _us(story.end - timedelta(days=story.days / 8)), 2.0, 1.0) * weight
    chosen = rng.choice(n, min(n_pictures, int((weight > 0).sum())), replace=False, p=weight / weight.sum())
    has_picture = np.zeros(n, dtype=bool)
    has_picture[chosen] = True
    board = rng.integers(0, len(BOARDS), n)
    readings = _readings(story, at_us, line, light, is_fault, rng)
    return Traffic(at_us, line, shift, board, truth, light, has_picture, is_fault, readings)


def _us(moment: datetime) -> int:
    return int(moment.timestamp() * 1_000_000)


def _day(story: Story, day: int, boards_per_day: int, rng: np.random.Generator) -> np.ndarray:
    begun = story.start + timedelta(days=day)
    share = _WEEKDAYS[begun.astimezone(ZONE).weekday()]
    n = int(rng.poisson(boards_per_day * share))
    hours = rng.choice(24, n, p=_HOURS / _HOURS.sum())
    offsets = ((hours + rng.random(n)) * 3_600_000_000).astype(np.int64)
    times = _us(begun) + offsets
    kept: np.ndarray = times[times < _us(story.end) - 60_000_000]
    return kept


@dataclass(slots=True)
class Answers:
    """What one version said about rows of the traffic: label index (-1: nothing) and score."""

    label: np.ndarray
    score: np.ndarray


def borrow_answers(traffic: Traffic, seen: Answers, rng: np.random.Generator) -> Answers:
    """Answers for every board: the network's own where there is a picture, else those of a board like it.

    `seen` has an answer per picture, in the order of the traffic. "Like it" means the same truth in the same light.
    """
    n = len(traffic)
    label, score = np.full(n, -1), np.full(n, np.nan)
    pictures = np.flatnonzero(traffic.has_picture)
    label[pictures], score[pictures] = seen.label, seen.score
    stratum = traffic.truth * 10 + np.digitize(traffic.light, (0.74, 0.84, 0.93))
    rest = np.flatnonzero(~traffic.has_picture)
    for value in np.unique(stratum[rest]):
        rows = rest[stratum[rest] == value]
        like = pictures[stratum[pictures] == value]
        if len(like) < 3:
            like = pictures[traffic.truth[pictures] == value // 10]
        if len(like) == 0:
            like = pictures
        source = rng.choice(like, len(rows))
        label[rows], score[rows] = label[source], score[source]
    score[rest] = np.clip(score[rest] + rng.normal(0, 0.015, len(rest)), 0.15, 0.9999)
    label[traffic.is_fault & (rng.random(n) < 0.85)] = -1
    return Answers(label, score)


def event_columns(
    story: Story,
    traffic: Traffic,
    answers: Answers,
    rows: np.ndarray,
    rng: np.random.Generator,
    *,
    version: str | None = None,
    champion: Answers | None = None,
    artifacts: dict[int, list[str]] | None = None,
) -> dict[str, Any]:
    """Stored columns of some rows of the traffic; with `champion` they are shadow answers of `version`."""
    n = len(rows)
    times = [_moment(at) for at in traffic.at_us[rows].tolist()]
    versions = [version or story.champion(at) for at in times]
    label = answers.label[rows]
    failed = (rng.random(n) < 0.002) & ~traffic.has_picture[rows]
    names = np.array([*LABELS, ""], dtype=object)
    pairs = zip(label.tolist(), failed.tolist(), strict=True)
    said = [None if bad or place < 0 else names[place] for place, bad in pairs]
    score = np.where((label < 0) | failed, np.nan, answers.score[rows])
    median = np.array([LATENCY_MS[name] for name in versions])
    latency = median * np.exp(rng.normal(0, 0.28, n)) * np.where(rng.random(n) < 0.01, 3.5, 1.0)
    logged = traffic.at_us[rows] + rng.integers(200_000, 2_500_000, n)
    prefix = "s" if champion is not None else "e"
    columns = {
        "event_id": pa.array([f"{prefix}-{traffic.at_us[row]:x}-{row:05x}" for row in rows.tolist()]),
        "request_id": pa.array([f"r-{row:06d}" for row in rows.tolist()]),
        "subject_id": pa.array([subject_id(traffic, row) for row in rows.tolist()]),
        "version": pa.array(versions),
        "role": pa.array(["shadow" if champion is not None else "champion"] * n),
        "happened_at": pa.array(traffic.at_us[rows], pa.timestamp("us", tz="UTC")),
        "logged_at": pa.array(logged, pa.timestamp("us", tz="UTC")),
        "prediction": pa.array(said, pa.string()),
        "is_null_output": pa.array([one is None for one in said]),
        "score": pa.array(score, mask=np.isnan(score)),
        "latency_ms": pa.array(np.round(latency, 2)),
        "status": pa.array(["error" if bad else "ok" for bad in failed.tolist()]),
        "error": pa.array(["upstream closed the connection" if bad else None for bad in failed.tolist()], pa.string()),
        "is_cached": pa.array(np.zeros(n, dtype=bool)),
        **_inputs(traffic, rows),
        "metric_focus": pa.array(np.round(0.9 * traffic.light[rows] + rng.normal(0, 0.03, n), 4)),
        "seg_line": pa.array([LINES[place] for place in traffic.line[rows]]),
        "seg_shift": pa.array([SHIFTS[place] for place in traffic.shift[rows]]),
        "seg_board": pa.array([BOARDS[place][0] for place in traffic.board[rows]]),
    }
    if champion is not None:
        theirs = champion.label[rows].tolist()
        columns["champion_prediction"] = pa.array([names[p] if p >= 0 else None for p in theirs], pa.string())
    else:
        columns |= _trace(story, traffic, rows, "inspection")
    if artifacts is not None:
        columns["artifacts"] = pa.array([artifacts.get(row) for row in rows.tolist()], pa.list_(pa.string()))
    return columns


def locator_columns(story: Story, traffic: Traffic, rows: np.ndarray, rng: np.random.Generator) -> dict[str, Any]:
    """Stored columns of the step that finds each board in its picture, a moment before the inspection."""
    n = len(rows)
    begun = traffic.at_us[rows] - 30_000
    offset = np.round(np.abs(rng.normal(0, 4.5, n)), 2)
    return {
        "event_id": pa.array([f"f-{traffic.at_us[row]:x}-{row:05x}" for row in rows.tolist()]),
        "request_id": pa.array([f"r-{row:06d}" for row in rows.tolist()]),
        "subject_id": pa.array([subject_id(traffic, row) for row in rows.tolist()]),
        "version": pa.array(["3.2"] * n),
        "role": pa.array(["champion"] * n),
        "happened_at": pa.array(begun, pa.timestamp("us", tz="UTC")),
        "logged_at": pa.array(begun + rng.integers(200_000, 2_500_000, n), pa.timestamp("us", tz="UTC")),
        "prediction_number": pa.array(offset),
        "prediction": pa.array([str(value) for value in offset.tolist()]),
        "is_null_output": pa.array(np.zeros(n, dtype=bool)),
        "latency_ms": pa.array(np.round(LOCATOR_MS * np.exp(rng.normal(0, 0.22, n)), 2)),
        "status": pa.array(["ok"] * n),
        "is_cached": pa.array(np.zeros(n, dtype=bool)),
        **{f"in_{name}": pa.array(traffic.readings[name][rows]) for name in LOCATOR_INPUTS},
        "n_missing": pa.array(np.zeros(n, dtype=np.int16)),
        "seg_line": pa.array([LINES[place] for place in traffic.line[rows]]),
        **_trace(story, traffic, rows, "locator"),
    }


def _trace(story: Story, traffic: Traffic, rows: np.ndarray, step: str) -> dict[str, Any]:
    """Which trace and step the rows belong to: none before tracing began."""
    is_traced = (traffic.at_us[rows] >= _us(story.tracing_start)).tolist()
    named = list(zip(rows.tolist(), is_traced, strict=True))
    return {
        "trace_id": pa.array([f"t-{row:06d}" if one else None for row, one in named], pa.string()),
        "step": pa.array([step if one else None for _, one in named], pa.string()),
    }


def subject_id(traffic: Traffic, row: int) -> str:
    """The name of one board: its type, the day and a serial number."""
    day = _moment(int(traffic.at_us[row])).astimezone(ZONE)
    return f"{BOARDS[int(traffic.board[row])][0]}-{day:%m%d}-{row:05d}"


def _readings(
    story: Story, at_us: np.ndarray, line: np.ndarray, light: np.ndarray, is_fault: np.ndarray, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """What the sensors beside the camera said of every board."""
    n = len(at_us)
    hour = ((at_us // 3_600_000_000) + 7) % 24
    brightness = np.where(is_fault, rng.normal(4, 1, n), 118 * light + rng.normal(0, 2.2, n))
    contrast = np.where(is_fault, rng.normal(1.5, 0.4, n), 42 * light**0.8 + rng.normal(0, 1.6, n))
    warmth = 26 + 3.2 * np.sin((hour - 9) / 24 * 2 * np.pi) + rng.normal(0, 0.5, n)
    where, gap = story.sensor_gap
    is_lost = (line == LINES.index(where)) & (at_us >= _us(gap)) & (rng.random(n) < 0.34)
    is_lost |= rng.random(n) < 0.004
    return {
        "brightness": np.round(np.maximum(0.1, brightness), 2),
        "contrast": np.round(np.maximum(0.1, contrast), 2),
        "exposure_ms": np.round(8 + rng.normal(0, 0.12, n), 3),
        "temperature_c": np.where(is_lost, np.nan, np.round(warmth, 2)),
        "belt_speed": np.round(rng.choice((0.42, 0.48, 0.55), n) + rng.normal(0, 0.004, n), 4),
    }


def _inputs(traffic: Traffic, rows: np.ndarray) -> dict[str, Any]:
    found = {name: values[rows] for name, values in traffic.readings.items()}
    missing = {name: np.isnan(values) for name, values in found.items()}
    columns: dict[str, Any] = {f"in_{name}": pa.array(found[name], mask=missing[name]) for name in found}
    return columns | {"n_missing": pa.array(sum(missing.values()).astype(np.int16), pa.int16())}
