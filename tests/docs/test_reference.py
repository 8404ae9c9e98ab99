"""The reference pages are what the code says, and nothing in the product lacks a description."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_reference", ROOT / "docs" / "reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


REFERENCE = load()


@pytest.mark.parametrize("page", sorted(REFERENCE.PAGES))
def test_reference_page_is_up_to_date(page: str) -> None:
    written = (ROOT / "docs" / "reference" / page).read_text(encoding="utf-8")
    assert written == REFERENCE.PAGES[page](), "run: python docs/reference.py"


def test_every_setting_has_a_description() -> None:
    from backend.settings import Settings

    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def test_every_route_has_a_description() -> None:
    assert [row[1] for row in REFERENCE.routes() if not row[3]] == []


def test_every_command_has_a_description() -> None:
    assert [name for name, text in REFERENCE.commands() if not text] == []


def test_every_measure_has_a_description() -> None:
    assert [row[0] for row in REFERENCE.measures() if not row[4]] == []


def test_links_between_pages_lead_somewhere() -> None:
    import re

    broken = []
    for page in [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            if not (page.parent / target).exists():
                broken.append(f"{page.relative_to(ROOT)} -> {target}")
    assert broken == []
