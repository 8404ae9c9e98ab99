"""The catalogue: whole in both languages, used everywhere, and numbers and times as each language writes them."""

from __future__ import annotations

import ast
import re
import string
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dashboard.kit import text, values

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted([*(ROOT / "dashboard").rglob("*.py"), *(ROOT / "review" / "screens").rglob("*.py")])
SCRIPTS = sorted([*(ROOT / "dashboard").rglob("*.js"), *(ROOT / "review" / "screens").rglob("*.js")])
#: Calls that put their first argument before a person's eyes.
SHOWING = frozenset(
    re.findall(
        r"\w+",
        """title header subheader caption markdown write text info warning error success toast metric button selectbox
        segmented_control pills radio toggle checkbox text_input text_area number_input date_input multiselect slider
        expander popover link_button page_link badge file_uploader form_submit_button dialog spinner status""",
    )
)
SHOWING_KEYWORDS = frozenset({"help", "placeholder", "label", "caption", "alt", "page_title"})
#: Parts of Streamlit's markdown that are no words: colours, icons, emphasis.
MARKUP = re.compile(r":material/\w+:|:\w+(-background|-badge)?\[|[*_`\]\\]")
NO_WORDS = frozenset({"n", "p", "A", "B", "ms", "s"})


def flat(language: str) -> dict[str, str]:
    return dict(text.catalogue(language))


def without_plurals(keys: dict[str, str]) -> set[str]:
    return {re.sub(r"\.(one|other)$", "", key) for key in keys}


def test_every_key_is_there_in_every_language() -> None:
    english, vietnamese = without_plurals(flat("en")), without_plurals(flat("vi"))
    assert english - vietnamese == set()
    assert vietnamese - english == set()


def test_every_plural_has_its_general_form() -> None:
    for language in text.LANGUAGES:
        keys = flat(language)
        for key in keys:
            if key.endswith(".one"):
                assert key.removesuffix(".one") + ".other" in keys


def test_translations_use_the_same_parameters() -> None:
    english, vietnamese = flat("en"), flat("vi")
    for key, value in english.items():
        if key in vietnamese:
            assert parameters(value) == parameters(vietnamese[key]), key


def parameters(template: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(template) if name}


def test_no_text_is_empty_or_left_in_english() -> None:
    english, vietnamese = flat("en"), flat("vi")
    assert [key for key, value in {**english, **vietnamese}.items() if not value.strip()] == []
    same = [
        key
        for key, value in english.items()
        if vietnamese.get(key) == value and len(re.findall(r"[A-Za-z]{3,}", re.sub(r"\{\w+\}", "", value))) > 2
    ]
    assert same == []


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_nothing_is_shown_that_is_not_in_the_catalogue(path: Path) -> None:
    assert list(shown_literals(ast.parse(path.read_text(encoding="utf-8")))) == []


def shown_literals(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Words in string literals that are handed to a call that shows them."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        shown = [node.args[0]] if node.func.attr in SHOWING and node.args else []
        shown += [keyword.value for keyword in node.keywords if keyword.arg in SHOWING_KEYWORDS]
        for argument in shown:
            for words in literal_words(argument):
                yield node.lineno, words


def literal_words(node: ast.AST) -> Iterator[str]:
    parts = node.values if isinstance(node, ast.JoinedStr) else [node]
    for part in parts:
        if isinstance(part, ast.Constant) and isinstance(part.value, str):
            found = re.findall(r"[^\W\d_]+", MARKUP.sub(" ", part.value))
            if any(word not in NO_WORDS for word in found):
                yield part.value


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_key_that_is_asked_for_exists(path: Path) -> None:
    keys = without_plurals(flat("en"))
    prefixes = {key[:end] for key in keys for end in range(1, len(key))}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        name = getattr(node.func, "id", "") if isinstance(node, ast.Call) else ""
        if name not in {"t", "t_or"} or not isinstance(node, ast.Call) or not node.args:
            continue
        asked = node.args[0]
        if isinstance(asked, ast.Constant):
            assert asked.value in keys, asked.value
        elif isinstance(asked, ast.JoinedStr) and isinstance(asked.values[0], ast.Constant):
            assert asked.values[0].value in prefixes, asked.values[0].value


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_scripts_carry_no_words(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    assert (
        re.findall(r"(?:textContent|innerText|title|placeholder|ariaLabel)\s*=\s*[\"'`][^\"'`$]*[A-Za-z]{2}", source)
        == []
    )


def test_a_missing_key_is_an_error_and_never_shown() -> None:
    with text.reading_as("en"), pytest.raises(KeyError):
        text.t("common.there_is_no_such_text")


@pytest.mark.parametrize(
    ("asked", "own", "header", "expected"),
    [
        ("vi", "en", "en", "vi"),
        (None, "vi", "en", "vi"),
        (None, None, "vi-VN,vi;q=0.9,en;q=0.8", "vi"),
        (None, None, "en-GB,en;q=0.9,vi;q=0.8", "en"),
        (None, None, "fr, de;q=0.8", "en"),
        ("xx", None, "vi;q=0, en;q=0.1", "en"),
        (None, None, "vi;q=nonsense", "en"),
    ],
)
def test_language_follows_the_address_then_the_person_then_the_browser(
    asked: str | None, own: str | None, header: str, expected: str
) -> None:
    assert text.choose_language(asked, own, header) == expected


def test_numbers_are_written_as_the_language_writes_them() -> None:
    with text.reading_as("en"):
        assert values.number(1234567.5, 1) == "1,234,567.5"
        assert values.percent(0.9312) == "93.1%"
        assert values.interval(0.912, 0.944) == "91.2–94.4%"
        assert text.t("common.n_rows", n=1) == "1 row"
        assert text.t("common.n_rows", n=1200) == "1,200 rows"
    with text.reading_as("vi"):
        assert values.number(1234567.5, 1) == "1.234.567,5"
        assert values.percent(0.9312) == "93,1%"
        assert text.t("common.n_rows", n=1200) == "1.200 dòng"


def test_absent_values_are_a_dash_and_small_shares_are_not_zero() -> None:
    with text.reading_as("en"):
        assert values.number(None) == "–"
        assert values.percent(float("nan")) == "–"
        assert values.percent(0.00001) == "< 0.1%"
        assert values.percent(0.0) == "0.0%"
        assert values.signed(-0.04) == "±0.0"


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [(0.25, "share", "25.0%"), (12_345, "ms", "12.3 s"), (48.2, "ms", "48.2 ms"), (1_500_000, "bytes", "1.5 MB"),
     (3, "count", "3"), (2.5, "per_second", "2.50/s")],
)  # fmt: skip
def test_values_are_written_by_their_unit(value: float, unit: str, expected: str) -> None:
    with text.reading_as("en"):
        assert values.by_unit(value, unit) == expected


def test_times_are_in_the_zone_of_the_reader() -> None:
    at = datetime(2026, 3, 20, 18, 30, tzinfo=UTC)
    with text.reading_as("en", "Asia/Ho_Chi_Minh"):
        assert values.moment(at) == "21 Mar 2026, 01:30"
        assert values.span(at, at + timedelta(hours=2)) == "21 Mar 2026, 01:30–03:30"
    with text.reading_as("vi", "UTC"):
        assert values.moment(at) == "18:30 20/03/2026"
        assert values.ago(at - timedelta(hours=3), at) == "3 giờ trước"


def test_unknown_zones_are_refused() -> None:
    assert text.is_timezone("Asia/Ho_Chi_Minh")
    assert not text.is_timezone("Mars/Olympus")
    assert not text.is_timezone("../../etc/passwd")
    assert not text.is_timezone(None)
