"""The whole way, small: words through a real VAD and a real torch recogniser, spans through the API, one step broken at
a time, and the broken one named. Spoken digits where the data set is; else and always: words made of tones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from backend.main import create_app
from backend.settings import Settings
from benchmarks import pipeline_fsdd
from benchmarks.pipeline_fsdd import Scene, Told, open_client, play
from benchmarks.speech_steps import RATE, Recording, detect
from db.engine import Database
from db.migrations.runner import upgrade


def make_words(n: int, rng: np.random.Generator) -> list[Recording]:
    """Ten words of a loud vowel and a weak consonant; two words share each vowel, so the consonant decides."""
    made = []
    for number in range(n):
        digit = number % 10
        t = np.arange(int(rng.uniform(0.3, 0.4) * RATE)) / RATE
        vowel = np.sin(2 * np.pi * (300 + 250 * (digit // 2)) * rng.uniform(0.97, 1.03) * t) * np.hanning(len(t))
        rest = np.arange(int(rng.uniform(0.12, 0.18) * RATE)) / RATE
        consonant = 0.08 * np.sin(2 * np.pi * (1500 if digit % 2 else 3000) * rest) * np.hanning(len(rest))
        made.append(Recording(f"word{number}", digit, "made", number, 0.5 * np.concatenate([vowel, consonant])))
    return made


def broken_one_at_a_time(app: TestClient, settings: Settings, words: list[Recording], n: int, **how: Any) -> list[Told]:
    client = open_client(app.app, settings.public_url)
    half = len(words) // 2
    return list(play(client, words[:half], words[half:], n, **how))


def blamed(told: Told, measure: str = "wrong_rate") -> tuple[str, set[str | None]]:
    assert told.report is not None
    change = next(change for change in told.report.changes if change.measure == measure)
    return change.verdict, {share.step for share in change.shares if share.is_blamed}


@pytest.fixture
def embedded(tmp_path: Path, sqlite_template: Path) -> Any:
    """The app on SQLite: what it measures does not depend on the database, which other tests look at."""
    settings = Settings(data_dir=tmp_path, ui=False)
    upgrade(Database(settings.database_url))
    with TestClient(create_app(settings), base_url=settings.public_url) as app:
        yield app, settings


def test_the_step_that_was_broken_is_named(embedded: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    scenes = (Scene("reference"), Scene("same"), Scene("cuts", vad_db=9.0), Scene("spoilt", spoilt=0.9))
    monkeypatch.setattr(pipeline_fsdd, "SCENES", scenes)
    words = make_words(160, np.random.default_rng(1))
    reference, same, cuts, spoilt = broken_one_at_a_time(*embedded, words, 180, takes=1, epochs=6)
    assert reference.accuracy > 0.85
    assert blamed(same) == ("unchanged", set())
    assert cuts.accuracy < reference.accuracy - 0.15
    assert blamed(cuts) == ("blamed", {"vad"})
    assert spoilt.accuracy < reference.accuracy - 0.1
    assert blamed(spoilt) == ("blamed", {"recogniser"})


def test_the_vad_finds_the_word_and_cuts_it_when_it_is_set_wrong() -> None:
    rng = np.random.default_rng(2)
    word = make_words(1, rng)[0].sound
    sound = np.concatenate([np.zeros(800), word, np.zeros(1600)]) + rng.normal(0, 1e-4, len(word) + 2400)
    whole, cut = detect(sound), detect(sound, 9.0)
    assert whole is not None
    assert cut is not None
    assert (whole.begin, whole.end) == (pytest.approx(800, abs=400), pytest.approx(800 + len(word), abs=500))
    assert cut.seconds < 0.7 * whole.seconds
    assert cut.edge_db > -12 > whole.edge_db
    assert detect(np.concatenate([np.zeros(4000), np.ones(40), np.zeros(4000)])) is None


@pytest.mark.data
def test_spoken_digits(data_folder: Any, embedded: Any) -> None:
    recordings = pipeline_fsdd.load(data_folder("fsdd"))
    words = [one for one in recordings if one.index < 12] + [one for one in recordings if one.index >= 17]
    reference, same, cuts, spoilt = broken_one_at_a_time(*embedded, words, 220, takes=1, epochs=7)
    assert reference.accuracy > 0.8
    assert blamed(same)[1] == set()
    assert blamed(cuts) == ("blamed", {"vad"})
    assert blamed(spoilt) == ("blamed", {"recogniser"})
