"""Marks on an item that came as free JSON: voiced segments, highlighted spans and boxes, read with care. Pure."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

#: More marks than this cannot be looked at.
MAX_MARKS = 500
#: Below them marks are looked for, in this order, in what a caller logged.
SEGMENT_NAMES = ("vad", "vad_segments", "speech_segments")
SPAN_NAMES = ("spans", "highlights", "entities")
BOX_NAMES = ("boxes", "candidate_boxes")


def segments_in(*places: Any) -> list[tuple[float, float]]:
    """Voiced segments as (start, end) in seconds, sorted: the first usable list under one of SEGMENT_NAMES.

    A segment is [start, end] or {"start", "end"}; what is neither, is not finite or ends before it begins is left out.

    >>> segments_in({"vad": [[0.1, 0.5], {"start": 0.7, "end": 0.9}, [2, 1]]})
    [(0.1, 0.5), (0.7, 0.9)]
    """
    pairs = [_pair(one) for one in _listed(SEGMENT_NAMES, places)]
    return sorted((float(a), float(b)) for a, b in pairs if a is not None and b is not None and 0 <= a < b)[:MAX_MARKS]


def spans_in(n_letters: int, *places: Any) -> list[tuple[int, int, str | None]]:
    """Highlighted letters of a text as (start, end, label), sorted: the first usable list under one of SPAN_NAMES.

    A span is [start, end] or {"start", "end", "label"?}, in whole letters inside the text.

    >>> spans_in(10, {"spans": [{"start": 2, "end": 5, "label": "name"}, [8, 20]]})
    [(2, 5, 'name')]
    """
    found = []
    for one in _listed(SPAN_NAMES, places):
        start, end = _pair(one)
        if start is None or end is None or start != int(start) or end != int(end):
            continue
        if 0 <= start < end <= n_letters:
            label = one.get("label") if isinstance(one, Mapping) else None
            found.append((int(start), int(end), label if isinstance(label, str) else None))
    return sorted(found, key=lambda span: span[:2])[:MAX_MARKS]


def boxes_in(*places: Any) -> list[tuple[float, float, float, float, str | None]]:
    """Boxes of a picture as (x, y, width, height, label) in its pixels: the first usable list under one of BOX_NAMES.

    A box is [x, y, width, height] or {"x", "y", "width" or "w", "height" or "h", "label"?}.

    >>> boxes_in({"boxes": [[1, 2, 30, 40], {"x": 5, "y": 6, "w": 7, "h": 8, "label": "open"}, [0, 0, -1, 5]]})
    [(1.0, 2.0, 30.0, 40.0, None), (5.0, 6.0, 7.0, 8.0, 'open')]
    """
    found = []
    for one in _listed(BOX_NAMES, places):
        if isinstance(one, Mapping):
            given = [one.get("x"), one.get("y"), one.get("width", one.get("w")), one.get("height", one.get("h"))]
            label = one.get("label")
        else:
            given, label = (one[:4] if isinstance(one, list) else []), None
        if len(given) == 4 and all(_is_finite(value) for value in given) and given[2] > 0 and given[3] > 0:
            x, y, width, height = (float(value) for value in given)
            found.append((x, y, width, height, label if isinstance(label, str) else None))
    return found[:MAX_MARKS]


def n_unread_boxes(*places: Any) -> int:
    """How many entries of the list that `boxes_in` takes are no box, or too many: whoever looks is told of them.

    >>> n_unread_boxes({"boxes": [[1, 2, 30, 40], [0, 0, -1, 5], "left"]}), n_unread_boxes({})
    (2, 0)
    """
    return len(_listed(BOX_NAMES, places)) - len(boxes_in(*places))


def boxes_beside(extra: str | None) -> list[Any]:
    """Boxes under inputs that a model does not declare, out of an event's free JSON, as a task keeps them, with a None
    for each entry that is no box. What stands beside the inputs is not read: it may be the machine's.

    >>> boxes_beside('{"inputs": {"boxes": [[1, 2, 30, 40], "left"]}, "boxes": [[9, 9, 9, 9]]}')
    [{'x': 1.0, 'y': 2.0, 'width': 30.0, 'height': 40.0, 'label': None}, None]
    >>> boxes_beside('{"boxes": [[9, 9, 9, 9]]}'), boxes_beside(None)
    ([], [])
    """
    if extra is None or 'boxes"' not in extra:  # nearly always; parsing each event's JSON would be felt
        return []
    inputs = as_object(extra).get("inputs")
    found = [{"x": x, "y": y, "width": w, "height": h, "label": label} for x, y, w, h, label in boxes_in(inputs)]
    return [*found, *[None] * min(MAX_MARKS, n_unread_boxes(inputs))]


def as_object(value: Any) -> Mapping[str, Any]:
    """A JSON object, also one that came as text; {} for anything else."""
    if isinstance(value, str) and value.lstrip().startswith("{"):
        try:
            value = json.loads(value)
        except ValueError:
            return {}
    return value if isinstance(value, Mapping) else {}


def _listed(names: Sequence[str], places: Sequence[Any]) -> list[Any]:
    for place in places:
        known = as_object(place)
        for name in names:
            value = known.get(name)
            if isinstance(value, str) and value.lstrip().startswith("["):
                try:
                    value = json.loads(value)
                except ValueError:
                    continue
            if isinstance(value, list) and value:
                return value
    return []


def _pair(one: Any) -> tuple[float | None, float | None]:
    if isinstance(one, Mapping):
        given = [one.get("start", one.get("start_s")), one.get("end", one.get("end_s"))]
    elif isinstance(one, list) and len(one) >= 2:
        given = one[:2]
    else:
        return None, None
    numbers = [float(x) if _is_finite(x) else None for x in given]
    return numbers[0], numbers[1]


def _is_finite(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
