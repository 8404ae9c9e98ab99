"""Writes a report: facts in, one HTML file out that needs no script, no other file and no connection.

Called by backend.reports (through importlib, because it lies above the HTTP line) and by `soi report`."""

from __future__ import annotations

from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from dashboard.kit import text, values
from dashboard.kit.text import t
from dashboard.kit.theme import DARK, FONT, LIGHT, Palette
from dashboard.reports import answers, phrases, sections
from dashboard.reports.facts import Facts, collect

__all__ = ["Facts", "collect", "render"]

TEMPLATES: Final = Path(__file__).parent / "templates"
#: What could not be read, as the reader knows it.
_PART_TITLES: Final = {
    "before": "report.numbers.before",
    "steps": "report.health.by_day",
    "agreement": "report.agreement.title",
    "people": "report.agreement.title",
    "floor": "report.agreement.title",
    "people_truth": "report.agreement.truth",
    "challengers": "report.agreement.challengers",
    "rollouts": "report.change.title",
    "versions": "report.change.title",
    "activity": "report.labels.title",
    "drift": "report.drift.title",
    "alerts": "report.alerts.title",
}


def render(facts: Facts, language: str, timezone: str, *, address: str = "") -> str:
    """The report in one language, with times in `timezone`. `address` is where Soi answers, for a link to it."""
    with text.reading_as(language, timezone):
        return _environment().get_template("report.html").render(**_page(facts, language, address))


@cache
def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals["t"] = t
    return made


def _page(facts: Facts, language: str, address: str) -> dict[str, Any]:
    """All that the template shows, written already."""
    title = text.choose(facts.model.title, facts.model.name)
    champion = facts.now.champion
    return {
        "language": language,
        "style": _style(),
        "title": title,
        "name": facts.model.name,
        "when": _when(facts),
        "answers_now": t("report.subtitle", version=champion) if champion else t("report.nobody_answers"),
        "level": phrases.level(facts.now.automation_level) if facts.now.automation_level else "",
        "compared": t("report.compared"),
        "answers": answers.answers(facts),
        "numbers": answers.numbers(facts),
        "steps": answers.next_steps(facts),
        "strip": sections.strip(facts),
        "figures": sections.figures(facts),
        "by_day": sections.by_day(facts),
        "incidents": phrases.incidents(facts),
        "agreement": sections.agreement_figure(facts),
        "floor": sections.floor_said(facts),
        "agreement_tables": sections.agreement_tables(facts),
        "labels": sections.labels_table(facts),
        "drift": sections.drift_table(facts.drift),
        "alerts": sections.alerts_table(facts.alerts),
        "changes": phrases.changes(facts),
        "unread": _unread(facts),
        "window": t("report.window", span=values.span(facts.start, facts.end), zone=text.reader().timezone),
        "made": t("report.made", at=values.exact(facts.made_at)),
        "address": _address(facts, address),
    }


def _when(facts: Facts) -> str:
    """The days of the window; `end` is not part of it."""
    first, last = values.date(facts.start), values.date(facts.end - timedelta(seconds=1))
    return first if first == last else f"{first} – {last}"


def _unread(facts: Facts) -> str:
    titles = dict.fromkeys(t(_PART_TITLES.get(part, f"measures.{part}.title")) for part in facts.unread)
    return t("report.reading.unread", parts=", ".join(titles)) if titles else ""


def _address(facts: Facts, address: str) -> str:
    return f"{address}/health?" + urlencode({"model": facts.model.name, "range": "30d"}) if address else ""


def _style() -> Markup:
    """The style sheet with the colours of both themes in it."""
    sheet = (TEMPLATES / "report.css").read_text(encoding="utf-8")
    return Markup(
        f":root{{--font:{FONT};{_colours(LIGHT)}}}\n"
        f"@media screen and (prefers-color-scheme: dark){{:root{{{_colours(DARK)}}}}}\n{sheet}"
    )


def _colours(palette: Palette) -> str:
    named = {
        "ground": palette.ground,
        "raised": palette.raised,
        "border": palette.border,
        "grid": palette.grid,
        "ink": palette.ink,
        "soft": palette.soft_ink,
        "accent": palette.accent,
        "good": palette.good,
        "warning": palette.warning,
        "bad": palette.bad,
        **{f"s{number}": colour for number, colour in enumerate(palette.series)},
    }
    return ";".join(f"--{name}:{value}" for name, value in named.items())
