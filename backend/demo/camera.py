"""Turns a board layout into the picture a camera on the line would take: colours, light, shift and noise."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from io import BytesIO

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from backend.demo.boards import N_CELLS, Layout
from backend.demo.defects import Box, draw_defect

#: Masks are drawn this many times larger than the picture, so that edges are smooth.
_OVERSAMPLE = 2
Colour = tuple[float, float, float]
#: substrate, covered copper, bare pad, printing
STYLES: dict[str, tuple[Colour, Colour, Colour, Colour]] = {
    "green": ((14, 62, 40), (64, 150, 94), (214, 178, 96), (232, 236, 226)),
    "dark": ((20, 24, 33), (84, 98, 124), (222, 190, 118), (226, 228, 232)),
    "blue": ((14, 36, 80), (70, 122, 186), (208, 205, 196), (232, 236, 240)),
}


@dataclass(frozen=True, slots=True)
class Shot:
    """How one picture was taken. `light` is 1.0 for a well-lit line; `defects` are (kind, size) pairs."""

    light: float = 1.0
    defects: tuple[tuple[str, float], ...] = ()
    noise: float = 2.2
    shift_px: tuple[float, float] = (0.0, 0.0)
    seed: int = 0


@dataclass(slots=True)
class Picture:
    """A rendered board (height x width x 3, uint8) with the boxes of what was drawn in."""

    pixels: np.ndarray
    boxes: list[Box] = field(default_factory=list)


class Camera:
    """Renders one layout; masks and printing are made once and kept."""

    def __init__(self, board: Layout, size: int = 360) -> None:
        self.board, self.size = board, size
        side = size * _OVERSAMPLE
        self._copper = Image.new("L", (side, side), 0)
        self._pads = Image.new("L", (side, side), 0)
        self._holes = Image.new("L", (side, side), 0)
        self._print = Image.new("L", (side, side), 0)
        self._scale = side / N_CELLS
        self._draw_layout()
        self._printing = self._small(self._print)
        self._bare = self._small(self._pads)
        self._drill = self._small(self._holes)
        weave = np.random.default_rng(7).normal(0, 1, (size // 3 + 1, size // 3 + 1))
        grown = np.kron(weave, np.ones((3, 3)))[:size, :size]
        self._weave = np.asarray(grown, dtype=np.float32)[..., None]
        self._clean = self._small(self._copper)
        self._faultless = self._colour(self._clean, (slice(None), slice(None)))

    def golden(self) -> Picture:
        """The picture of a faultless board in good light."""
        return self.take(Shot(noise=0.8))

    def take(self, shot: Shot) -> Picture:
        """Take one picture."""
        rng = np.random.default_rng(shot.seed)
        pixels, boxes = self._faultless, []
        if shot.defects:
            copper = self._copper.copy()
            boxes = [draw_defect(copper, self.board, kind, rng, size) for kind, size in shot.defects]
            pixels = self._coloured(self._small(copper))
        if shot.shift_px != (0.0, 0.0):
            pixels = _shift(pixels, *shot.shift_px)
        pixels = _light(pixels, shot.light, rng)
        pixels += rng.standard_normal((*pixels.shape[:2], 1), dtype=np.float32) * shot.noise
        return Picture(np.clip(pixels, 0, 255).astype(np.uint8), boxes)

    def _draw_layout(self) -> None:
        copper, pads = ImageDraw.Draw(self._copper), ImageDraw.Draw(self._pads)
        holes, printing = ImageDraw.Draw(self._holes), ImageDraw.Draw(self._print)
        for trace in self.board.traces:
            points = [(self._at(x), self._at(y)) for x, y in trace.points]
            width = max(2, round(trace.width * self._scale))
            copper.line(points, fill=255, width=width, joint="curve")
        for pad in self.board.pads:
            box = self._box(pad.x, pad.y, pad.width / 2, pad.height / 2)
            for draw in (copper, pads):
                _fill(draw, box, 255, pad.is_round)
            if pad.is_round:
                _fill(holes, self._box(pad.x, pad.y, 0.28, 0.28), 255, True)
        for x, y in self.board.vias:
            _fill(copper, self._box(x, y, 0.5, 0.5), 255, True)
            _fill(pads, self._box(x, y, 0.42, 0.42), 255, True)
            _fill(holes, self._box(x, y, 0.2, 0.2), 255, True)
        font = ImageFont.load_default(size=self._scale * 0.8)
        for x0, y0, x1, y1, name in self.board.parts:
            outline = [self._at(v) for v in (x0, y0, x1, y1)]
            printing.rounded_rectangle(outline, radius=self._scale * 0.2, outline=200, width=2)
            printing.text((self._at(x0) + 3, self._at(y0) - self._scale * 0.95), name, fill=230, font=font)
        end = N_CELLS - 1.6
        printing.text((self._at(0.3), self._at(end - 0.4)), self.board.name, fill=230, font=font)

    def _coloured(self, copper: np.ndarray) -> np.ndarray:
        """The board with this copper: only where it differs from the faultless one is coloured again."""
        changed = copper[..., 0] != self._clean[..., 0]
        rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
        pixels = self._faultless.copy()
        if len(rows):
            # A pixel's edge depends on its neighbour above and to the left, so the first line and column only help.
            place = (slice(max(0, rows[0] - 1), rows[-1] + 2), slice(max(0, columns[0] - 1), columns[-1] + 2))
            pixels[place][1:, 1:] = self._colour(copper[place], place)[1:, 1:]
        return pixels

    def _colour(self, copper: np.ndarray, place: tuple[slice, slice]) -> np.ndarray:
        weave, bare_at, printed_at, drill = (
            mask[place] for mask in (self._weave, self._bare, self._printing, self._drill)
        )
        substrate, covered, bare, ink = (np.array(c, dtype=np.float32) for c in STYLES[self.board.style])
        pixels = substrate + weave * 1.6
        pixels = pixels + (covered - pixels) * copper
        metal = bare_at * copper
        pixels = pixels + (bare - pixels) * metal
        edge = copper - np.roll(copper, (1, 1), axis=(0, 1))
        pixels += edge * (26 + 34 * bare_at)
        printed = printed_at * (1 - 0.85 * bare_at)
        pixels = pixels + (ink - pixels) * printed * 0.8
        dark = np.array((14, 16, 15), dtype=np.float32)
        result: np.ndarray = pixels + (dark - pixels) * drill
        return result

    def _small(self, mask: Image.Image) -> np.ndarray:
        reduced = mask.reduce(_OVERSAMPLE)
        return np.asarray(reduced, dtype=np.float32)[..., None] / 255

    def _at(self, cell: float) -> float:
        return (cell + 0.5) * self._scale

    def _box(self, x: float, y: float, rx: float, ry: float) -> list[float]:
        return [self._at(x - rx), self._at(y - ry), self._at(x + rx), self._at(y + ry)]


def encode(pixels: np.ndarray, quality: int = 88) -> bytes:
    """The bytes of a picture as the line's camera stores it (JPEG)."""
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def _fill(draw: ImageDraw.ImageDraw, box: list[float], value: int, is_round: bool) -> None:
    if is_round:
        draw.ellipse(box, fill=value)
    else:
        draw.rounded_rectangle(box, radius=(box[3] - box[1]) * 0.18, fill=value)


def _shift(pixels: np.ndarray, dx: float, dy: float) -> np.ndarray:
    """Move the board under the camera by a part of a pixel or a few; edges are repeated."""
    image = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
    moved = image.transform(image.size, Image.Transform.AFFINE, (1, 0, -dx, 0, 1, -dy), Image.Resampling.BILINEAR)
    return np.asarray(moved, dtype=np.float32)


@cache
def _vignette(size: int) -> np.ndarray:
    line = np.linspace(-1, 1, size, dtype=np.float32)
    return (1 - 0.1 * (line[:, None] ** 2 + line[None, :] ** 2))[..., None]


def _light(pixels: np.ndarray, light: float, rng: np.random.Generator) -> np.ndarray:
    """Lamp strength, a soft fall-off to the corners, and a slope when the lamp weakens on one side."""
    size = pixels.shape[0]
    slope = (1 - light) * 0.45
    across = np.linspace(1 + slope, 1 - slope, size, dtype=np.float32)[None, :, None]
    warm = np.array((1.0, 1.0 - 0.05 * (1 - light), 1.0 - 0.16 * (1 - light)), dtype=np.float32)
    lit: np.ndarray = pixels * light * float(rng.normal(1, 0.015)) * _vignette(size) * across * warm
    if light < 0.8:
        blurred = Image.fromarray(np.clip(lit, 0, 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(0.6))
        lit = np.asarray(blurred, dtype=np.float32)
    return lit
