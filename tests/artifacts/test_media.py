"""Measures of pictures, sounds and texts: against NumPy and a manifest of real recordings, and into a seal."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image, ImageFilter
from scipy.ndimage import laplace

from backend.artifacts.media import measure, measure_image, measure_sound, measure_text
from backend.worker.media import measure_waiting
from db.artifact_store import ArtifactStore
from db.engine import Database
from db.eventlog.log import EventLog
from db.eventlog.seal import seal
from db.models.model import Artifact, Model
from db.repositories import artifacts


def as_png(pixels: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


def noise(seed: int, size: tuple[int, int] = (256, 200)) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, size).astype(np.uint8)


def test_a_picture_is_measured_as_numpy_and_scipy_do() -> None:
    pixels = noise(1)
    found = measure_image(as_png(pixels))
    assert found["brightness"] == pytest.approx(pixels.mean())
    assert found["contrast"] == pytest.approx(pixels.astype(float).std(), rel=1e-5)
    assert found["sharpness"] == pytest.approx(laplace(pixels.astype(float))[1:-1, 1:-1].var())
    assert (found["width_px"], found["height_px"]) == (200, 256)


def test_a_blurred_picture_is_less_sharp_and_its_size_does_not_matter() -> None:
    picture = Image.fromarray(noise(2, (512, 512))).filter(ImageFilter.GaussianBlur(2))
    out = io.BytesIO()
    picture.filter(ImageFilter.GaussianBlur(6)).save(out, "PNG")
    sharp = measure_image(as_png(np.asarray(picture)))["sharpness"]
    assert measure_image(out.getvalue())["sharpness"] < sharp / 4
    twice = measure_image(as_png(np.asarray(picture.resize((1024, 1024)))))["sharpness"]
    assert twice == pytest.approx(sharp, rel=0.3)


@pytest.mark.parametrize("pixels", [np.zeros((1, 1), np.uint8), np.full((2, 900), 255, np.uint8)])
def test_tiny_and_even_pictures_have_measures_too(pixels: np.ndarray) -> None:
    found = measure_image(as_png(pixels))
    assert found["sharpness"] == 0
    assert found["contrast"] == 0
    assert found["brightness"] == pixels[0, 0]


def as_wav(samples: np.ndarray, rate: int = 8_000) -> bytes:
    out = io.BytesIO()
    soundfile.write(out, samples, rate, format="WAV")
    return out.getvalue()


def test_half_a_second_of_tone_after_half_a_second_of_nothing() -> None:
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(4_000) / 8_000)
    found = measure_sound(as_wav(np.concatenate([np.zeros(4_000), tone])))
    assert found["duration_s"] == pytest.approx(1.0)
    assert found["silence_share"] == pytest.approx(0.5)
    assert found["volume_dbfs"] == pytest.approx(20 * np.log10(0.5 / 2), abs=0.01)
    assert measure_sound(as_wav(np.zeros(100)))["volume_dbfs"] == -120


@pytest.mark.data
def test_real_recordings_have_the_loudness_and_silence_of_their_manifest(data_folder: Callable[[str], Path]) -> None:
    folder = data_folder("fsdd")
    with (folder / "manifest.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))[::40]
    for row in rows:
        found = measure_sound((folder / row["path"]).read_bytes())
        assert found["duration_s"] == pytest.approx(float(row["seconds"]), abs=1e-3)
        assert found["silence_share"] == pytest.approx(float(row["frac_20ms_frames_below_minus50dbfs"]), abs=0.03)
        assert found["volume_dbfs"] == pytest.approx(20 * np.log10(float(row["rms"]) / 32_768), abs=0.2)


def test_a_text_is_measured_in_characters_not_bytes() -> None:
    assert measure_text("đường mạch".encode()) == {"length_chars": 10}


def test_what_was_measured_is_sealed_beside_the_prediction_and_a_broken_file_stops_nothing(
    database: Database, tmp_path: Path
) -> None:
    store = ArtifactStore(str(tmp_path / "artifacts"))
    pixels = noise(3)
    good, broken = store.put(as_png(pixels)), store.put(b"no picture")
    with database.write() as session:
        model = Model(name="pcb", item_kind="image", segment_keys=[])
        session.add(model)
        for sha256 in (good, broken):
            artifacts.add_artifact(session, Artifact(sha256=sha256, kind="image", media_type="image/png", n_bytes=1))
    assert measure_waiting(database, store) == 2
    assert measure_waiting(database, store) == 0
    with database.read() as session:
        assert "error" in artifacts.load_measures(session, [broken])[broken]
    eventlog = EventLog(database, str(tmp_path / "lake"))
    eventlog.start()
    day = datetime(2026, 5, 1, tzinfo=UTC)
    files = {"a": [good], "b": [broken], "c": [], "d": ["0" * 64], "e": [good, broken]}
    rows = [
        {"id": name, "version": "v1", "happened_at": day.isoformat(), "artifacts": listed}
        for name, listed in files.items()
    ]
    eventlog.log_rows(model, [*rows, {"id": "f", "version": "v1", "happened_at": day.isoformat()}])
    assert eventlog.read(model.id, None, None, columns=["media_brightness"])["media_brightness"].null_count == 6
    assert seal(database, eventlog.lake.uri, model.id, owner="test") == 6
    found = eventlog.read(model.id, None, None, columns=["event_id", "media_brightness", "media_width_px"]).to_pylist()
    measured = {row["event_id"]: row["media_brightness"] for row in found}
    assert measured == {"a": pytest.approx(pixels.mean()), "e": pytest.approx(pixels.mean()), **dict.fromkeys("bcdf")}
    assert {row["event_id"]: row["media_width_px"] for row in found}["a"] == 200
    eventlog.close()


def test_an_unknown_kind_is_a_fault_of_the_caller() -> None:
    with pytest.raises(KeyError):
        measure("model", b"")
