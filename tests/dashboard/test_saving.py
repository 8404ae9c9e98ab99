"""Saving a screen: its script in one piece, its pure rules in node, its texts, and what the screens tell it."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.kit import saving
from tests.conftest import absent
from tests.dashboard.conftest import APP
from tests.dashboard.fake_api import FakeApi

HERE = Path(__file__).parent
NODE = shutil.which("node")


def test_the_rules_do_what_their_own_tests_say() -> None:
    if NODE is None:
        absent("node")
    file = str(HERE / "save_rules.test.mjs")
    done = subprocess.run([NODE, "--test", file], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]


def test_the_script_given_to_streamlit_is_one_module_with_one_entry(tmp_path: Path) -> None:
    script = saving.script()
    assert not re.search(r"^import ", script, re.MULTILINE)
    assert re.findall(r"^export .*$", script, re.MULTILINE) == [
        "export default function save({ data, parentElement }) {"
    ]
    assert not re.search(r"\b(fetch|XMLHttpRequest|WebSocket|sendBeacon)\b", script)
    if NODE is None:
        absent("node")
    whole = tmp_path / "save.mjs"
    whole.write_text(script, encoding="utf-8")
    subprocess.run([NODE, "--check", str(whole)], check=True, timeout=60)


def test_every_text_that_the_script_asks_for_is_given() -> None:
    asked = set(re.findall(r"data\.texts\.(\w+)", saving.script()))
    assert asked <= {*saving.TEXTS, "model", "window"}


@pytest.mark.parametrize("language", ["en", "vi"])
def test_the_screen_tells_what_it_is_about(api: FakeApi, monkeypatch: pytest.MonkeyPatch, language: str) -> None:
    given: list[dict[str, Any]] = []
    monkeypatch.setattr(saving, "_save", lambda key, data: given.append(data))
    api.language = language
    app = AppTest.from_file(str(APP), default_timeout=30)
    app.run()
    assert not app.exception
    assert given[-1]["model"] == ""
    assert "(Asia/Ho_Chi_Minh)" in given[-1]["window"]
    assert given[-1]["language"] == language
    assert all(given[-1]["texts"].values())


def test_a_screen_that_ends_early_can_be_saved_as_well(api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[dict[str, Any]] = []
    monkeypatch.setattr(saving, "_save", lambda key, data: given.append(data))
    api.broken = {"/v1/monitors"}
    app = AppTest.from_file(str(APP), default_timeout=30).run()
    assert app.error
    assert len(given) == 1
