"""Labelled data: what was skipped stands apart from the labels, reason and comment apart from each other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from review.screens.labelled_skipped import export_url, reason_shown
from tests.dashboard.fake_api import NOW, FakeApi
from tests.dashboard.test_screens import everything_said

Open = Callable[..., Any]
SCREEN = "review.screens.labelled_data"
SAID = {
    "en": ("Skipped instead of labelled", "Missing, wrong or damaged", "No reason given", "left the queue"),
    "vi": ("Bị bỏ qua", "Thiếu, sai hoặc hỏng", "Không nêu lý do", "đã rời hàng chờ"),
}


@pytest.mark.parametrize("language", ["en", "vi"])
def test_skips_are_shown_by_reason_beside_the_labels(open_screen: Open, api: FakeApi, language: str) -> None:
    api.role = "data_scientist"
    app = open_screen(SCREEN, language, model="pcb-inspection")
    assert not app.exception
    title, damaged, none, state = SAID[language]
    said = everything_said(app)
    assert title in said
    assert f"{damaged}\n3" in said
    rows = app.dataframe[-1].value
    assert rows.iloc[0].tolist()[1:4] == [damaged, "all black", state]
    assert rows.iloc[1].tolist()[1:3] == [none, "old words"]


def test_the_link_to_the_file_carries_the_range_and_an_unknown_reason_is_said_as_none() -> None:
    parts = urlsplit(export_url("pcb", {"start": NOW, "end": None}, "csv"))
    assert parts.path == "/v1/labelled-data/skipped/export"
    assert parse_qs(parts.query) == {"model": ["pcb"], "format": ["csv"], "start": [NOW.isoformat()]}
    assert reason_shown("bored") == reason_shown(None)
