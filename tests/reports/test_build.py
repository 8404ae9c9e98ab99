"""The report itself, written from a recorded API: both languages, numbers as each writes them, hostile names, gaps, and
that it needs nothing but itself."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from datetime import timedelta
from html.parser import HTMLParser
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from backend.client import ApiError, Client
from dashboard.kit import text
from dashboard.reports import build
from tests.dashboard.fake_api import NOW, _silent, _summary
from tests.dashboard.fake_reports import MODEL, ReportApi

ZONE = "Asia/Ho_Chi_Minh"
WEEK = (NOW - timedelta(days=7), NOW)
#: What is data and so the same in every language: versions, names, units, the product, links, levels of confidence.
DATA = re.compile(
    r"line speed|v\d|week-11|pcb-inspection|better on shorts|timeout|camera|Soi|http\S*|Asia/Ho_Chi_Minh|GMT\S*|A/B|"
    r"L\d|line|brightness|\bgain\b|\bnew\b|p95|\bms\b|\bn\b|\bkB\b|\bAI\b|\bAn\b|σ"
)


class Page(HTMLParser):
    """The words of a page, its tags, and all that points elsewhere."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.tags: list[str] = []
        self.targets: list[tuple[str, str]] = []
        self.attributes: list[tuple[str, str]] = []
        self._skipped = 0
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self._skipped += tag == "style"
        for name, value in attrs:
            self.attributes.append((name, value or ""))
            if name in {"src", "href", "action", "srcset", "data"}:
                self.targets.append((tag, value or ""))
            if name in {"aria-label", "alt", "title"}:
                self.words.append(value or "")

    def handle_endtag(self, tag: str) -> None:
        self._skipped -= tag == "style"

    def handle_data(self, data: str) -> None:
        if data.strip() and not self._skipped:
            self.words.append(" ".join(data.split()))


def client(api: ReportApi) -> Client:
    return Client(http=httpx.Client(base_url="http://soi.test", transport=httpx.MockTransport(api)))


def write(api: ReportApi, language: str = "en", **changes: Any) -> str:
    facts = build.collect(client(api), MODEL, *WEEK, timezone=ZONE, now=NOW)
    for name, value in changes.items():
        setattr(facts, name, value)
    return build.render(facts, language, ZONE, address="http://soi.test")


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    return {language: write(ReportApi(), language) for language in text.LANGUAGES}


def test_the_first_half_page_answers_the_four_questions(pages: dict[str, str]) -> None:
    said = Page(pages["en"]).words
    first = " ".join(said[: said.index("What to do next")])
    assert "Is it well? It is not well Null outputs: 23.4%, above its limit Error rate: 2.1%, above its limit" in first
    assert "Is it as good as our people?" in first
    assert "agrees with people on 93.1% of the items (91.5–94.4%, n = 1,204)" in first
    assert "v3 answers instead of v2." in first
    assert "May we automate more? Not now Now: people decide, the model runs along. First its health" in first


def test_numbers_and_days_are_written_as_the_reader_writes_them(pages: dict[str, str]) -> None:
    english, vietnamese = (" ".join(Page(pages[one]).words) for one in ("en", "vi"))
    assert "48,213" in english
    assert "48.213" in vietnamese
    assert "93.1%" in english
    assert "93,1%" in vietnamese
    assert "13 Mar 2026 – 20 Mar 2026" in english
    assert "13/03/2026 – 20/03/2026" in vietnamese
    assert "+1.7 pp" in english
    assert "+1,7 điểm %" in vietnamese


def test_no_english_is_left_in_the_vietnamese_report(pages: dict[str, str]) -> None:
    english, vietnamese = set(Page(pages["en"]).words), set(Page(pages["vi"]).words)
    left = [words for words in english & vietnamese if re.search(r"[^\W\d_]{2,}", DATA.sub(" ", words))]
    assert left == []
    assert '<html lang="vi">' in pages["vi"]
    catalogue = text.catalogue("en")
    said = " ".join(Page(pages["vi"]).words)
    sentences = [value for key, value in catalogue.items() if key.startswith("report.") and len(value.split()) > 4]
    assert [value for value in sentences if value.split("{")[0].strip() and value.split("{")[0] in said] == []


@pytest.mark.parametrize("language", text.LANGUAGES)
def test_the_file_needs_no_script_and_nothing_from_outside(pages: dict[str, str], language: str) -> None:
    page = Page(pages[language])
    assert not {"script", "iframe", "object", "link", "form", "input", "button"} & set(page.tags)
    assert [target for tag, target in page.targets if tag != "a"] == []
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert "url(" not in pages[language]
    assert "@import" not in pages[language]
    assert len(pages[language].encode()) < 200_000


@pytest.mark.parametrize("language", text.LANGUAGES)
def test_every_figure_is_also_there_in_numbers(pages: dict[str, str], language: str) -> None:
    drawings = re.findall(r"<svg.*?</svg>", pages[language], re.DOTALL)
    assert len(drawings) == 6
    for drawing in drawings:
        assert ElementTree.fromstring(drawing).get("aria-label")
    assert pages[language].count("<figcaption>") == 6


def test_hostile_names_are_shown_and_never_read_as_markup() -> None:
    hostile = "</style><script>alert(1)</script><img src=x onerror=alert(1)>"
    api = ReportApi()
    api.reason = hostile
    summary = _summary(MODEL, "bad").model_copy(update={"champion": hostile, "title": {"en": hostile, "vi": hostile}})
    answer = {"start": WEEK[0].isoformat(), "end": WEEK[1].isoformat(), "models": [summary.model_dump(mode="json")]}
    api.changes["/v1/monitors/summary"] = answer
    html = write(api)
    page = Page(html)
    assert "script" not in page.tags
    assert "img" not in page.tags
    assert "<script" not in html
    assert any("<script>alert(1)</script>" in words for words in page.words)


@pytest.mark.parametrize("language", text.LANGUAGES)
def test_a_model_without_anything_still_has_a_report(language: str) -> None:
    api = ReportApi(is_empty=True)
    silent = _silent().model_copy(update={"model": MODEL})
    answer = {"start": WEEK[0].isoformat(), "end": WEEK[1].isoformat(), "models": [silent.model_dump(mode="json")]}
    api.changes["/v1/monitors/summary"] = answer
    html = write(api, language)
    assert ("No predictions arrived" if language == "en" else "Không có dự đoán nào") in html
    assert ("Nobody knows yet" if language == "en" else "Chưa ai biết") in html


def test_what_cannot_be_read_is_named_and_the_rest_is_there() -> None:
    api = ReportApi()
    api.broken = {"/v1/comparisons", "/v1/reports/activity"}
    facts = build.collect(client(api), MODEL, *WEEK, timezone=ZONE, now=NOW)
    assert set(facts.unread) >= {"people", "activity"}
    html = build.render(facts, "en", ZONE)
    assert "Could not be read, and is missing here: Agreement with people" in html
    assert "Labels and people’s work." in html
    assert "48,213" in html


def test_a_report_without_its_numbers_is_not_written() -> None:
    api = ReportApi()
    api.broken = {"/v1/monitors/summary"}
    with pytest.raises(ApiError):
        build.collect(client(api), MODEL, *WEEK)


def test_drift_and_alerts_are_told_with_their_numbers_and_escaped() -> None:
    api = ReportApi()
    shape = {
        "n_current": 900, "reason": None, "n_needed": None, "visible_sigma": 0.1, "null_rate_reference": 0.0,
        "null_rate_current": 0.0, "shift_sigma": None,
    }  # fmt: skip
    features = [
        SimpleNamespace(**shape | {"feature": "brightness", "verdict": "drifted", "shift_sigma": 0.8}),
        SimpleNamespace(**shape | {"feature": "focus <b>", "verdict": "failed", "reason": "odd reason"}),
    ]
    raised = {
        "rule_name": "errors above 2 %", "title_key": None, "state": "alert", "series": "v3", "is_silenced": False,
        "opened_at": NOW - timedelta(days=1), "closed_at": None,
    }  # fmt: skip
    asked = client(api)
    asked.drift = SimpleNamespace(  # type: ignore[attr-defined]
        report=lambda model, start, end, consequence: SimpleNamespace(features=features)
    )
    asked.alerts = SimpleNamespace(  # type: ignore[attr-defined]
        incidents=lambda model, start, end, limit: SimpleNamespace(
            items=[SimpleNamespace(**raised), SimpleNamespace(**raised | {"rule_name": "hushed", "is_silenced": True})]
        )
    )
    facts = build.collect(asked, MODEL, *WEEK, timezone=ZONE, now=NOW)
    said = " ".join(Page(build.render(facts, "en", ZONE)).words)
    assert "1 input or output has moved from its reference." in said
    assert "brightness moved 0.80 σ 900" in said
    assert "focus <b> could not be computed (odd reason)" in said
    assert "errors above 2 % (v3) alert 19 Mar 2026, 17:00 still holds" in said
    assert "hushed" not in said
    assert "1 alert still holds: errors above 2 %." in said
    assert "See whether the drift of brightness does harm" in said


def test_a_model_without_a_reference_has_no_drift_section() -> None:
    asked = client(ReportApi())

    def refuse(*_: Any, **__: Any) -> Any:
        raise ApiError(404, "no_reference", "this model has no reference")

    asked.drift = SimpleNamespace(report=refuse)  # type: ignore[attr-defined]
    facts = build.collect(asked, MODEL, *WEEK, timezone=ZONE, now=NOW)
    assert facts.drift is None
    assert facts.unread == {}
