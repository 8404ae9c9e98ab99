"""Generated boards: the same for one seed, every defect visible where it is said to be, light as told."""

from __future__ import annotations

import numpy as np
import pytest

from backend.demo.boards import make_layout
from backend.demo.camera import STYLES, Camera, Shot
from backend.demo.defects import DEFECTS
from backend.demo.story import BOARDS


def test_layout_is_the_same_for_one_seed_and_another_for_the_next() -> None:
    assert make_layout("a", "green", 5) == make_layout("a", "green", 5)
    assert make_layout("a", "green", 5).traces != make_layout("a", "green", 6).traces


@pytest.mark.parametrize(("name", "style", "seed"), BOARDS)
def test_board_of_the_story_has_pads_and_routed_traces(name: str, style: str, seed: int) -> None:
    board = make_layout(name, style, seed)
    assert style in STYLES
    assert len(board.traces) >= 8
    assert len(board.pads) >= 20
    assert all(len(trace.points) > 3 for trace in board.traces)


@pytest.mark.parametrize("kind", DEFECTS)
@pytest.mark.parametrize("seed", range(4))
def test_defect_changes_the_picture_inside_its_box_only(kind: str, seed: int) -> None:
    camera = Camera(make_layout("t", "green", 100), 320)
    # The noise generator draws the defect first, so the lamp's flicker differs: compare shapes, not light.
    rng_free = camera.take(Shot(defects=((kind, 1.5),), noise=0.0, seed=seed))
    (box,) = rng_free.boxes
    golden = camera.take(Shot(noise=0.0, seed=seed)).pixels.astype(float)
    ratio = rng_free.pixels.astype(float).mean() / golden.mean()
    changed = np.abs(rng_free.pixels / ratio - golden).max(axis=2) > 25
    rows, columns = np.nonzero(changed)
    assert len(rows) >= 6, f"{kind} is not visible"
    side = camera.size
    inside = (
        (columns >= box.x * side - 3)
        & (columns <= (box.x + box.width) * side + 3)
        & (rows >= box.y * side - 3)
        & (rows <= (box.y + box.height) * side + 3)
    )
    assert inside.mean() > 0.9


def test_weaker_lamp_gives_a_darker_picture() -> None:
    camera = Camera(make_layout("t", "blue", 100), 160)
    means = [camera.take(Shot(light=light, seed=1)).pixels.mean() for light in (1.0, 0.85, 0.7)]
    assert means[0] > means[1] > means[2]
    assert means[2] / means[0] == pytest.approx(0.7, abs=0.06)


def test_picture_is_the_same_for_one_seed() -> None:
    camera = Camera(make_layout("t", "dark", 100), 160)
    shot = Shot(defects=(("short", 1.2),), seed=9)
    assert np.array_equal(camera.take(shot).pixels, camera.take(shot).pixels)
