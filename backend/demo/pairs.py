"""Items from a folder of real board pairs: crops of a tested board beside the same place of its template.

The folder has a manifest.csv (path, group, stem, kind temp|test, ...) and, per tested board, a text file of boxes
`x1 y1 x2 y2 type` in a folder `<group>_not` beside the images. A crop's label is the type of the boxes inside it;
a crop that no box touches is ok; one with boxes of several types is left out.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from backend.errors import Invalid

CROP_PX = 128
TYPES = {1: "open", 2: "short", 3: "mouse_bite", 4: "spur", 5: "spurious_copper", 6: "pin_hole"}
#: Faultless crops taken from each board.
_N_OK = 4


@dataclass(frozen=True, slots=True)
class Board:
    """One tested board with its template and its boxes (x1, y1, x2, y2, type)."""

    group: str
    stem: str
    test: Path
    template: Path
    boxes: tuple[tuple[int, int, int, int, int], ...]


@dataclass(frozen=True, slots=True)
class Crop:
    """One item: the tested crop and its golden sample, grey, with its true label."""

    subject_id: str
    group: str
    label: str
    item: np.ndarray
    golden: np.ndarray

    def pixels(self) -> np.ndarray:
        """What the network sees: uint8 [2, side, side]."""
        return np.stack([self.item, self.golden])


def read_boards(folder: Path) -> dict[str, list[Board]]:
    """Boards by group; Invalid says what the folder lacks."""
    manifest = folder / "manifest.csv"
    if not manifest.is_file():
        raise Invalid(f"{folder} has no manifest.csv")
    rows: dict[tuple[str, str], dict[str, Path]] = {}
    with manifest.open(newline="", encoding="utf-8") as stream:
        reader = csv.DictReader(stream)
        if not {"path", "group", "stem", "kind"} <= set(reader.fieldnames or []):
            raise Invalid(f"{manifest} needs the columns path, group, stem and kind")
        for row in reader:
            rows.setdefault((row["group"], row["stem"]), {})[row["kind"]] = folder / row["path"]
    found: dict[str, list[Board]] = {}
    for (group, stem), paths in sorted(rows.items()):
        if {"test", "temp"} <= set(paths):
            boxes = _read_boxes(paths["test"].parents[1] / f"{group}_not" / f"{stem}.txt")
            found.setdefault(group, []).append(Board(group, stem, paths["test"], paths["temp"], boxes))
    return found


def _read_boxes(path: Path) -> tuple[tuple[int, int, int, int, int], ...]:
    if not path.is_file():
        raise Invalid(f"there are no boxes at {path}")
    lines = [line.replace(",", " ").split() for line in path.read_text().splitlines() if line.strip()]
    return tuple((int(a), int(b), int(c), int(d), int(kind)) for a, b, c, d, kind in lines)


def cut(boards: Sequence[Board], rng: np.random.Generator) -> Iterator[Crop]:
    """All crops of some boards."""
    for board in boards:
        test, template = (_grey(path) for path in (board.test, board.template))
        side = min(test.shape)
        number = 0
        for box in board.boxes:
            left, top = _around(box, side, rng)
            label = _label_of(board, left, top)
            if label is not None and label != "ok":
                yield _crop(board, number, label, test, template, left, top)
                number += 1
        n_ok = 0
        for _ in range(60):
            left, top = (int(v) for v in rng.integers(0, side - CROP_PX, 2))
            if n_ok < _N_OK and _label_of(board, left, top) == "ok" and _has_copper(template, left, top):
                yield _crop(board, number, "ok", test, template, left, top)
                number, n_ok = number + 1, n_ok + 1


def as_png(pixels: np.ndarray) -> bytes:
    """The file of one crop, without loss."""
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def _grey(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("L"), dtype=np.uint8)


def _around(box: tuple[int, int, int, int, int], side: int, rng: np.random.Generator) -> tuple[int, int]:
    """A crop that holds the box, not always in its middle."""
    x1, y1, x2, y2, _ = box
    shift = rng.integers(-24, 25, 2)
    left = (x1 + x2) // 2 - CROP_PX // 2 + int(shift[0])
    top = (y1 + y2) // 2 - CROP_PX // 2 + int(shift[1])
    return max(0, min(left, side - CROP_PX)), max(0, min(top, side - CROP_PX))


def _label_of(board: Board, left: int, top: int) -> str | None:
    """The one type of the boxes that the crop touches, ok for none, None where it is not clear."""
    kinds = set()
    for x1, y1, x2, y2, kind in board.boxes:
        wide = min(x2, left + CROP_PX) - max(x1, left)
        high = min(y2, top + CROP_PX) - max(y1, top)
        if wide <= 0 or high <= 0:
            continue
        if wide * high < 0.7 * (x2 - x1) * (y2 - y1):
            return None
        kinds.add(kind)
    if len(kinds) > 1:
        return None
    return TYPES.get(kinds.pop()) if kinds else "ok"


def _has_copper(template: np.ndarray, left: int, top: int) -> bool:
    part = template[top : top + CROP_PX, left : left + CROP_PX]
    return bool(part.std() > 20)


def _crop(board: Board, number: int, label: str, test: np.ndarray, template: np.ndarray, left: int, top: int) -> Crop:
    window = (slice(top, top + CROP_PX), slice(left, left + CROP_PX))
    return Crop(f"{board.stem}-{number:02d}", board.group, label, test[window], template[window])
