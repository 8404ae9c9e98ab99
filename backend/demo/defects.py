"""The six classic defects of a bare board, drawn into the copper mask of a layout. Pure, seeded."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from backend.demo.boards import N_CELLS, Layout

DEFECTS = ("open", "short", "mouse_bite", "spur", "spurious_copper", "pin_hole")


@dataclass(frozen=True, slots=True)
class Box:
    """Where a defect was drawn, as shares of the board's side."""

    x: float
    y: float
    width: float
    height: float
    label: str


class _Brush:
    """Draws in cells on a mask of any size."""

    def __init__(self, mask: Image.Image) -> None:
        self.draw = ImageDraw.Draw(mask)
        self.scale = mask.width / N_CELLS

    def blob(self, x: float, y: float, radius: float, value: int, rng: np.random.Generator) -> None:
        """A disc with an uneven edge, as etching leaves it."""
        angles = np.linspace(0, 2 * math.pi, 14, endpoint=False)
        radii = radius * rng.uniform(0.8, 1.2, angles.size)
        points = [
            (self._at(x + r * math.cos(a)), self._at(y + r * math.sin(a))) for a, r in zip(angles, radii, strict=True)
        ]
        self.draw.polygon(points, fill=value)

    def line(self, x0: float, y0: float, x1: float, y1: float, width: float, value: int) -> None:
        points = [self._at(v) for v in (x0, y0, x1, y1)]
        self.draw.line(points, fill=value, width=max(1, round(width * self.scale)))

    def _at(self, cell: float) -> float:
        return (cell + 0.5) * self.scale


def draw_defect(mask: Image.Image, board: Layout, kind: str, rng: np.random.Generator, size: float = 1.0) -> Box:
    """Draw one defect of a kind into the copper mask (255 = copper) and say where it lies.

    `size` scales it: 0.6 is hard to see, 1.4 is plain.
    """
    brush = _Brush(mask)
    x, y, reach = _DRAWERS[kind](brush, mask, board, rng, size)
    reach += 0.5
    share = 1 / N_CELLS
    left, top = (x + 0.5 - reach) * share, (y + 0.5 - reach) * share
    return Box(max(0.0, left), max(0.0, top), 2 * reach * share, 2 * reach * share, kind)


def _on_trace(board: Layout, rng: np.random.Generator) -> tuple[float, float, float, float, float]:
    """A point inside a trace with the trace's direction there and its width: x, y, dx, dy, width."""
    traces = [trace for trace in board.traces if len(trace.points) > 4]
    trace = traces[int(rng.integers(len(traces)))]
    at = int(rng.integers(2, len(trace.points) - 2))
    (x0, y0), (x1, y1) = trace.points[at - 1], trace.points[at]
    length = math.hypot(x1 - x0, y1 - y0)
    share = float(rng.uniform(0.2, 0.8))
    return (
        x0 + share * (x1 - x0),
        y0 + share * (y1 - y0),
        (x1 - x0) / length,
        (y1 - y0) / length,
        trace.width,
    )


def _draw_open(
    brush: _Brush, mask: Image.Image, board: Layout, rng: np.random.Generator, size: float
) -> tuple[float, float, float]:
    x, y, dx, dy, width = _on_trace(board, rng)
    gap = 0.34 * size
    brush.line(x - dx * gap, y - dy * gap, x + dx * gap, y + dy * gap, width * 1.7, 0)
    brush.blob(x - dx * gap, y - dy * gap, width * 0.5, 0, rng)
    return x, y, max(gap, width)


def _draw_short(
    brush: _Brush, mask: Image.Image, board: Layout, rng: np.random.Generator, size: float
) -> tuple[float, float, float]:
    copper = np.asarray(mask)
    best = None
    for _ in range(60):
        x, y, dx, dy, width = _on_trace(board, rng)
        for side in (1, -1):
            for distance in (1.0, 1.2, 1.45, 1.7, 2.0):
                fx, fy = x - side * dy * distance, y + side * dx * distance
                if _is_copper(copper, fx, fy) and not _is_copper(copper, (x + fx) / 2, (y + fy) / 2):
                    best = (x, y, fx, fy, width)
                    break
        if best:
            break
    if best is None:
        x, y, dx, dy, width = _on_trace(board, rng)
        best = (x, y, x - 1.6 * dy, y + 1.6 * dx, width)
    x, y, fx, fy, width = best
    brush.line(x, y, fx, fy, 0.36 * size, 255)
    brush.blob((x + fx) / 2, (y + fy) / 2, 0.26 * size, 255, rng)
    return (x + fx) / 2, (y + fy) / 2, math.hypot(fx - x, fy - y) / 2


def _draw_mouse_bite(
    brush: _Brush, mask: Image.Image, board: Layout, rng: np.random.Generator, size: float
) -> tuple[float, float, float]:
    x, y, dx, dy, width = _on_trace(board, rng)
    side = float(rng.choice([-1, 1]))
    bx, by = x - side * dy * width * 0.55, y + side * dx * width * 0.55
    brush.blob(bx, by, width * 0.7 * (0.5 + 0.5 * size), 0, rng)
    return bx, by, width * 0.6


def _draw_spur(
    brush: _Brush, mask: Image.Image, board: Layout, rng: np.random.Generator, size: float
) -> tuple[float, float, float]:
    x, y, dx, dy, width = _on_trace(board, rng)
    side = float(rng.choice([-1, 1]))
    reach = width * 0.5 + 0.34 * size
    tip = x - side * dy * reach, y + side * dx * reach
    brush.line(x, y, tip[0], tip[1], 0.32 * size, 255)
    brush.blob(tip[0], tip[1], 0.2 * size, 255, rng)
    return (x + tip[0]) / 2, (y + tip[1]) / 2, reach / 2 + 0.2


def _draw_spurious_copper(
    brush: _Brush, mask: Image.Image, board: Layout, rng: np.random.Generator, size: float
) -> tuple[float, float, float]:
    copper = np.asarray(mask)
    x, y = N_CELLS / 2, N_CELLS / 2
    for _ in range(200):
        x, y = (float(v) for v in rng.uniform(1.5, N_CELLS - 2.5, 2))
        around = [(x + 0.75 * math.cos(a), y + 0.75 * math.sin(a)) for a in np.linspace(0, 2 * math.pi, 9)]
        if not _is_copper(copper, x, y) and not any(_is_copper(copper, *point) for point in around):
            break
    brush.blob(x, y, 0.42 * size, 255, rng)
    return x, y, 0.42 * size


def _draw_pin_hole(
    brush: _Brush, mask: Image.Image, board: Layout, rng: np.random.Generator, size: float
) -> tuple[float, float, float]:
    pads = [pad for pad in board.pads if not pad.is_round]
    pad = pads[int(rng.integers(len(pads)))]
    x = pad.x + float(rng.uniform(-0.2, 0.2)) * pad.width
    y = pad.y + float(rng.uniform(-0.12, 0.12)) * pad.height
    brush.blob(x, y, 0.24 * size, 0, rng)
    return x, y, 0.3


def _is_copper(copper: np.ndarray, x: float, y: float) -> bool:
    side = copper.shape[0]
    row, column = int((y + 0.5) * side / N_CELLS), int((x + 0.5) * side / N_CELLS)
    inside = 0 <= row < side and 0 <= column < side
    return inside and bool(copper[row, column] > 127)


_DRAWERS = {
    "open": _draw_open,
    "short": _draw_short,
    "mouse_bite": _draw_mouse_bite,
    "spur": _draw_spur,
    "spurious_copper": _draw_spurious_copper,
    "pin_hole": _draw_pin_hole,
}
