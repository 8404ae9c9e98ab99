"""The month's traffic: the planted faults are in the columns, nowhere else, and the rhythm is that of a factory."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from backend.demo.story import LABELS, LINES, ZONE, Story
from backend.demo.traffic import Answers, Traffic, borrow_answers, event_columns, make_traffic

STORY = Story(datetime(2026, 6, 30, 9, tzinfo=UTC), 30)


@pytest.fixture(scope="module")
def month() -> tuple[Traffic, dict[str, np.ndarray]]:
    rng = np.random.default_rng(3)
    traffic = make_traffic(STORY, 600, 400, rng)
    truth = traffic.truth[traffic.has_picture]
    seen = Answers(truth, np.full(len(truth), 0.9))
    answers = borrow_answers(traffic, seen, rng)
    columns = event_columns(STORY, traffic, answers, np.arange(len(traffic)), rng)
    return traffic, {name: np.array(column.to_pylist(), dtype=object) for name, column in columns.items()}


def at(columns: dict[str, np.ndarray]) -> np.ndarray:
    return columns["happened_at"]


def test_working_days_are_busy_and_sundays_quiet(month: tuple[Traffic, dict[str, np.ndarray]]) -> None:
    days = [moment.astimezone(ZONE) for moment in month[0].times()]
    counts: dict[int, list[int]] = {}
    for day in {moment.date() for moment in days if moment.date() != STORY.end.astimezone(ZONE).date()}:
        n = sum(moment.date() == day for moment in days)
        counts.setdefault(day.weekday(), []).append(n)
    assert np.mean(counts[6]) < 0.2 * np.mean(counts[1])
    assert 450 < np.mean(counts[1]) < 750


def test_nothing_lies_outside_the_month(month: tuple[Traffic, dict[str, np.ndarray]]) -> None:
    times = at(month[1])
    assert times.min() >= STORY.start
    assert times.max() < STORY.end


def test_ids_are_unique_and_every_pictured_board_has_an_answer(month: tuple[Traffic, dict[str, np.ndarray]]) -> None:
    traffic, columns = month
    assert len(set(columns["event_id"])) == len(traffic)
    assert all(one in LABELS for one in columns["prediction"][traffic.has_picture])


def test_lamp_of_one_line_weakens_from_its_day_on(month: tuple[Traffic, dict[str, np.ndarray]]) -> None:
    _, columns = month
    line, begun = STORY.drift_start
    brightness, times = columns["in_brightness"].astype(float), at(columns)
    on_line = columns["seg_line"] == line
    before = brightness[on_line & (times < begun)].mean()
    after = brightness[on_line & (times > STORY.end - timedelta(days=2))].mean()
    elsewhere = brightness[(columns["seg_line"] == "L1") & (times > STORY.end - timedelta(days=2))].mean()
    assert after < 0.8 * before
    assert elsewhere == pytest.approx(before, rel=0.02)


def test_camera_fault_gives_null_outputs_on_its_line_and_hours(month: tuple[Traffic, dict[str, np.ndarray]]) -> None:
    _, columns = month
    line, begun, ended = STORY.camera_fault
    in_fault = (columns["seg_line"] == line) & (at(columns) >= begun) & (at(columns) < ended)
    is_null = columns["is_null_output"].astype(bool)
    assert is_null[in_fault].mean() > 0.6
    assert is_null[~in_fault].mean() < 0.01


def test_slow_release_doubles_the_latency_and_is_rolled_back(month: tuple[Traffic, dict[str, np.ndarray]]) -> None:
    _, columns = month
    begun, ended = STORY.slow_release
    times, latency = at(columns), columns["latency_ms"].astype(float)
    slow = (times >= begun) & (times < ended)
    assert set(columns["version"][slow]) == {"1.1"}
    assert set(columns["version"][~slow]) == {"1.0"}
    assert np.median(latency[slow]) > 1.8 * np.median(latency[~slow])


def test_sensor_loses_a_third_of_its_values(month: tuple[Traffic, dict[str, np.ndarray]]) -> None:
    _, columns = month
    line, begun = STORY.sensor_gap
    gap = (columns["seg_line"] == line) & (at(columns) >= begun)
    lost = np.array([value is None for value in columns["in_temperature_c"]])
    assert 0.25 < lost[gap].mean() < 0.45
    assert lost[~gap].mean() < 0.02
    assert np.array_equal(columns["n_missing"].astype(int), lost.astype(int))


def test_line_names_are_those_of_the_story(month: tuple[Traffic, dict[str, np.ndarray]]) -> None:
    assert set(month[1]["seg_line"]) == set(LINES)
