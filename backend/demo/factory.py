"""The slow parts of the demonstration, made in processes of their own: training examples, networks and pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
from PIL import Image

from backend.demo.boards import make_layout
from backend.demo.camera import Camera, Shot, encode
from backend.demo.defects import DEFECTS
from backend.demo.story import BOARDS, DARKEST, DEFECT_RATE, LABELS

#: Side of the pictures that people see, and of what the network sees.
PICTURE_PX = 320
NETWORK_PX = 128
#: How plain the defects are, from hard to see to obvious.
SIZES = (1.4, 2.6)
_HELD_OUT_SEED = 77
_PROGRESS: Any = None


@dataclass(frozen=True, slots=True)
class Lesson:
    """What one version learns from. `light` bounds the lamp strengths it has seen."""

    name: str
    n_examples: int
    epochs: int
    light: tuple[float, float]
    seed: int
    n_held_out: int = 400


@dataclass(frozen=True, slots=True)
class Item:
    """One board to take a picture of."""

    board: int
    label: str
    light: float
    seed: int
    size: float = 1.5


def set_progress(queue: Any) -> None:
    """Called once in each process: where progress is told."""
    global _PROGRESS
    _PROGRESS = queue


def tell(name: str, share: float) -> None:
    """Say how far a part is."""
    if _PROGRESS is not None:
        _PROGRESS.put((name, share))


@cache
def camera(board: int) -> Camera:
    """The camera over one board type."""
    name, style, seed = BOARDS[board]
    return Camera(make_layout(name, style, seed), PICTURE_PX)


@cache
def golden_bytes(board: int) -> bytes:
    """The golden sample as a file."""
    return encode(camera(board).golden().pixels, quality=92)


def grey(pixels: np.ndarray, side: int = NETWORK_PX) -> np.ndarray:
    """A picture as the network sees it: the same steps as `review.rules.image_input`."""
    plain = Image.fromarray(pixels).convert("L").resize((side, side), Image.Resampling.BILINEAR)
    return np.asarray(plain, dtype=np.uint8)


@cache
def golden_grey(board: int) -> np.ndarray:
    """The golden sample as the network sees it."""
    return grey(camera(board).golden().pixels)


def take(item: Item) -> np.ndarray:
    """The picture of one board."""
    rng = np.random.default_rng(item.seed)
    shift = tuple(float(v) for v in rng.normal(0, 0.5, 2))
    defects = () if item.label == "ok" else ((item.label, item.size),)
    shot = Shot(light=item.light, defects=defects, shift_px=(shift[0], shift[1]), seed=item.seed)
    return camera(item.board).take(shot).pixels


def take_pictures(items: Sequence[Item], name: str) -> list[tuple[bytes, np.ndarray]]:
    """The file and the network's view of each board."""
    made = []
    for number, item in enumerate(items):
        pixels = take(item)
        made.append((encode(pixels), np.stack([grey(pixels), golden_grey(item.board)])))
        if number % 20 == 19:
            tell(name, (number + 1) / len(items))
    tell(name, 1.0)
    return made


def teach(lesson: Lesson) -> Any:
    """Train one version on boards drawn for it; returns review.training's result, measured on boards of the line."""
    from review.training import evaluate, train

    rng = np.random.default_rng(lesson.seed)
    examples = []
    for number in range(lesson.n_examples):
        label = "ok" if rng.random() < 0.45 else str(rng.choice(DEFECTS))
        light = float(rng.uniform(*lesson.light))
        split = "held_out" if number % 12 == 0 else "train"
        examples.append(_example(label, light, lesson.seed * 1_000_003 + number, rng, split))
        if number % 50 == 49:
            tell(lesson.name, 0.25 * number / lesson.n_examples)
    result = train(
        examples,
        LABELS,
        epochs=lesson.epochs,
        rng_seed=lesson.seed,
        batch_size=8,
        on_progress=lambda progress: tell(lesson.name, 0.25 + 0.65 * progress.fraction),
    )
    metrics = evaluate(result.torchscript, line_examples(lesson.n_held_out), LABELS)
    tell(lesson.name, 1.0)
    return replace(result, metrics=metrics)


def line_examples(n: int) -> list[Any]:
    """Boards as the line makes them, one in seven in weak light; the same ones for every version, and in no lesson."""
    rng = np.random.default_rng(_HELD_OUT_SEED)
    made = []
    for number in range(n):
        label = str(rng.choice(DEFECTS)) if rng.random() < DEFECT_RATE else "ok"
        light = float(rng.uniform(DARKEST, 1.0) if rng.random() < 0.15 else rng.normal(1.0, 0.012))
        made.append(_example(label, light, _HELD_OUT_SEED * 1_000_003 + number, rng, "held_out"))
    return made


def _example(label: str, light: float, seed: int, rng: np.random.Generator, split: str) -> Any:
    from review.training import Example

    item = Item(int(rng.integers(len(BOARDS))), label, light, seed, float(rng.uniform(*SIZES)))
    return Example(np.stack([grey(take(item)), golden_grey(item.board)]), label, split)


def answer(torchscript: bytes, views: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Index of the answered label and its score, for views uint8 [2, side, side]."""
    import io
    import warnings

    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        model = torch.jit.load(io.BytesIO(torchscript), map_location="cpu").eval()
    said, scores = [], []
    with torch.inference_mode():
        for first in range(0, len(views), 64):
            batch = torch.from_numpy(np.stack(views[first : first + 64])).float() / 255
            shares = torch.softmax(model(batch), dim=1)
            best = shares.max(dim=1)
            said.append(best.indices.numpy())
            scores.append(best.values.numpy())
    return np.concatenate(said), np.concatenate(scores)
