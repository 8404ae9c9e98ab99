"""Cells of text files: the type of a column and the value of one cell."""

from __future__ import annotations

import pytest

from backend.imports.cells import CellType, ColumnSurvey, as_label, as_time, convert


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["1", "2", None], "integer"),
        (["1", "2.5"], "number"),
        (["1e3", "-2.5E-4"], "number"),
        (["true", "False"], "boolean"),
        (["007", "012"], "string"),
        (["a", "1"], "string"),
        ([None, None], "string"),
        ([*["1.5"] * 99, "abc"], "number"),
        ([*["1"] * 9, "x"], "string"),
        ([True, False], "boolean"),
        ([1.5, 2], "number"),
    ],
)
def test_type_of_a_column(cells: list[object], expected: CellType) -> None:
    survey = ColumnSurvey()
    survey.add(cells)
    assert survey.type == expected


@pytest.mark.parametrize(
    ("cell", "wanted", "expected"),
    [
        ("3", "number", 3.0),
        ("3.0", "integer", 3),
        ("abc", "number", "abc"),
        ("3.5", "integer", "3.5"),
        (None, "number", None),
        (7, "string", "7"),
        ("TRUE", "boolean", True),
        ("yes", "boolean", "yes"),
    ],
)
def test_cell_is_converted_or_left_for_the_door_to_refuse(cell: object, wanted: CellType, expected: object) -> None:
    found = convert(cell, wanted)
    assert found == expected
    assert type(found) is type(expected)


def test_whole_numbers_are_one_label_in_every_spelling() -> None:
    assert {as_label(1), as_label(1.0), as_label("1"), as_label("1.0")} == {"1"}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2026-03-01 07:00:00", "2026-03-01T00:00:00+00:00"),
        ("2026-03-01T07:00:00Z", "2026-03-01T07:00:00+00:00"),
        (1_772_323_200, "2026-03-01T00:00:00+00:00"),
        ("1772323200000", "2026-03-01T00:00:00+00:00"),
        ("yesterday", "yesterday"),
    ],
)
def test_times_get_the_zone_of_the_mapping(value: object, expected: str) -> None:
    assert as_time(value, "Asia/Ho_Chi_Minh") == expected


def test_time_in_a_format_of_its_own() -> None:
    assert as_time("01/03/2026 07:30", "UTC", "%d/%m/%Y %H:%M") == "2026-03-01T07:30:00+00:00"
