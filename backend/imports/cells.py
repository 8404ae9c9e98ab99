"""Types of text cells: what a column holds, and one cell as the value that the door takes. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo

CellType = Literal["boolean", "integer", "number", "string"]
_INTEGER = re.compile(r"[+-]?\d{1,18}$")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?$")
_LEADING_ZERO = re.compile(r"[+-]?0\d")
_BOOLEANS = {"true": True, "false": False}
#: A column is of a type when at least this share of its cells is; the others go to the door as they are.
_MAJORITY = 0.95
#: Distinct values are counted up to here: beyond it a column is no list of labels.
MAX_DISTINCT = 200


@dataclass(slots=True)
class ColumnSurvey:
    """What has been seen in one column so far."""

    n_values: int = 0
    n_missing: int = 0
    n_integers: int = 0
    n_numbers: int = 0
    n_booleans: int = 0
    distinct: dict[str, int] = field(default_factory=dict)

    def add(self, cells: Iterable[Any]) -> None:
        """Count further cells."""
        for cell in cells:
            if cell is None:
                self.n_missing += 1
                continue
            self.n_values += 1
            self._count(cell)
            if len(self.distinct) <= MAX_DISTINCT:
                text = as_label(cell)
                self.distinct[text] = self.distinct.get(text, 0) + 1

    def _count(self, cell: Any) -> None:
        if isinstance(cell, bool):
            self.n_booleans += 1
        elif isinstance(cell, int):
            self.n_integers += 1
        elif isinstance(cell, float):
            self.n_numbers += 1
        elif isinstance(cell, str):
            if cell.lower() in _BOOLEANS:
                self.n_booleans += 1
            elif not _LEADING_ZERO.match(cell) and _INTEGER.match(cell):
                self.n_integers += 1
            elif not _LEADING_ZERO.match(cell.split(".")[0] + " ") and _NUMBER.match(cell):
                self.n_numbers += 1

    @property
    def type(self) -> CellType:
        """The column's type; text where the cells do not agree.

        >>> survey = ColumnSurvey(); survey.add(["1", "2", None, "4.5"]); survey.type
        'number'
        """
        if not self.n_values:
            return "string"
        enough = _MAJORITY * self.n_values
        if self.n_booleans >= enough:
            return "boolean"
        if self.n_integers >= enough and not self.n_numbers:
            return "integer"
        return "number" if self.n_integers + self.n_numbers >= enough else "string"


def convert(cell: Any, wanted: CellType) -> Any:
    """A cell as a value of the wanted type; what does not fit stays as it is, for the door to refuse with a reason.

    >>> convert("12", "number"), convert("abc", "number"), convert("7", "string")
    (12.0, 'abc', '7')
    """
    if cell is None:
        return None
    if wanted == "string":
        return cell if isinstance(cell, str) else as_label(cell)
    if isinstance(cell, bool) or not isinstance(cell, str):
        if wanted == "integer" and isinstance(cell, float) and cell.is_integer():
            return int(cell)
        return cell
    if wanted == "boolean":
        return _BOOLEANS.get(cell.lower(), cell)
    if wanted == "integer":
        return int(cell) if _INTEGER.match(cell) else (_whole(cell))
    return float(cell) if _NUMBER.match(cell) else cell


def _whole(cell: str) -> Any:
    if _NUMBER.match(cell) and float(cell).is_integer():
        return int(float(cell))
    return cell


def as_label(value: Any) -> str:
    """A label's text: whole numbers lose their ".0", so that 1, 1.0 and "1" are one label.

    >>> as_label(1.0), as_label("1"), as_label(True)
    ('1', '1', 'true')
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, str) and value.endswith(".0") and _NUMBER.match(value):
        return value[:-2]
    return str(value)


def as_time(value: Any, zone: str, pattern: str | None = None) -> str:
    """A time with its zone as the door takes it; a number is seconds, milliseconds or microseconds since 1970.

    What is no time is returned as text, for the door to refuse with a reason.

    >>> as_time("2026-03-01 07:00:00", "Asia/Ho_Chi_Minh")
    '2026-03-01T00:00:00+00:00'
    """
    text = str(value).strip()
    if isinstance(value, (int, float)) or (_NUMBER.match(text) and pattern is None):
        number = float(text)
        unit = 1.0 if abs(number) < 1e11 else 1e3 if abs(number) < 1e14 else 1e6
        try:
            return datetime.fromtimestamp(number / unit, UTC).isoformat()
        except (OverflowError, OSError, ValueError):
            return text
    try:
        found = datetime.strptime(text, pattern) if pattern else datetime.fromisoformat(text)
    except ValueError:
        return text
    if found.tzinfo is None:
        found = found.replace(tzinfo=ZoneInfo(zone))
    return found.astimezone(UTC).isoformat()
