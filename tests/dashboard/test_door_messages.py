"""What the door says is wrong is told in the reader's language: every message that its code can raise."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from dashboard.kit import door_messages
from dashboard.kit.text import reading_as
from db.eventlog.door import check_rows
from db.eventlog.limits import DoorLimits
from db.eventlog.schema import InputField, ModelSpec

EVENTLOG = Path(__file__).resolve().parents[2] / "db" / "eventlog"


def messages() -> Iterator[str]:
    """Every text given to RowProblem in the event log's code, its variable parts written as "number"."""
    for path in EVENTLOG.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            is_problem = isinstance(node, ast.Call) and getattr(node.func, "id", "") == "RowProblem"
            if is_problem and len(node.args) > 1:
                said = node.args[1]
                if isinstance(said, ast.Constant):
                    yield str(said.value)
                elif isinstance(said, ast.JoinedStr):
                    parts = [part.value if isinstance(part, ast.Constant) else "7" for part in said.values]
                    yield "".join(map(str, parts))


def test_every_message_of_the_door_is_known() -> None:
    found = sorted(set(messages()))
    assert len(found) > 20
    with reading_as("vi"):
        untold = [message for message in found if door_messages.said(message) == message]
    assert untold == []


def test_a_real_refusal_names_both_types_in_the_readers_language() -> None:
    spec = ModelSpec("1", "pcb", inputs=(InputField("width_mm", "number"),))
    checked = check_rows(enumerate([{"version": "v1", "inputs": {"width_mm": "wide"}}]), spec, DoorLimits())
    message = checked.refusals[0].message
    with reading_as("vi"):
        assert door_messages.said(message) == "cần một số, nhưng nhận được văn bản"
    with reading_as("en"):
        assert door_messages.said(message) == "expected a number, got text"


def test_an_unknown_message_is_shown_as_it_came() -> None:
    assert door_messages.said("something new") == "something new"
