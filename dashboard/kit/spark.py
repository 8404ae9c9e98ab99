"""Small lines beside a number: an SVG of a few hundred bytes, so that many fit on a screen."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from html import escape
from typing import Final

_WIDTH: Final = 120.0
_HEIGHT: Final = 26.0


def svg(values: Sequence[float | None], colour: str, label: str, *, top: float = 0.0) -> str:
    """The line as an HTML picture, from zero up to its highest value or `top`; a gap stays a gap. Empty without two
    known values."""
    known = [value for value in values if value is not None]
    if len(known) < 2:
        return ""
    top = max(top, *known) or 1.0
    step = _WIDTH / max(1, len(values) - 1)
    path, is_open = [], False
    for place, value in enumerate(values):
        if value is None:
            is_open = False
            continue
        y = _HEIGHT - 2 - (_HEIGHT - 4) * max(0.0, value) / top
        path.append(f"{'L' if is_open else 'M'}{place * step:.1f} {y:.1f}")
        is_open = True
    drawing = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH:g} {_HEIGHT:g}" preserveAspectRatio="none">'
        f'<path d="{" ".join(path)}" fill="none" stroke="{colour}" stroke-width="1.4" stroke-linecap="round" '
        f'stroke-linejoin="round" vector-effect="non-scaling-stroke"/></svg>'
    )
    source = "data:image/svg+xml;base64," + b64encode(drawing.encode()).decode()
    style = f"display:block;width:100%;max-width:150px;height:{_HEIGHT:g}px"
    return f'<img alt="{escape(label, quote=True)}" src="{source}" style="{style}">'
