"""Every word a person reads: `t("health.title")` from catalogue/<language>/<area>.yaml, in the language of the person
who reads. Knows no Streamlit: the session says who reads through `use_locale_source`. Numbers and times: values.py."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo, available_timezones

import yaml
from babel import Locale as BabelLocale
from babel import numbers as babel_numbers

LANGUAGES: Final = ("en", "vi")
FALLBACK: Final = "en"
FOLDER: Final = Path(__file__).parent / "catalogue"

#: Which CLDR locale writes the numbers and dates of a language.
_BABEL: Final = {"en": "en_GB", "vi": "vi_VN"}


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads: the language of the texts and the zone of the times."""

    language: str = FALLBACK
    timezone: str = "UTC"

    @property
    def zone(self) -> ZoneInfo:
        return _zone(self.timezone)


_override: ContextVar[Reader | None] = ContextVar("soi_reader", default=None)
_source: Callable[[], Reader | None] = lambda: None  # noqa: E731


def use_locale_source(source: Callable[[], Reader | None]) -> None:
    """Say who the current reader is; the session sets this once at import."""
    global _source
    _source = source


@contextmanager
def reading_as(language: str, timezone: str = "UTC") -> Any:
    """Write for this reader inside the block; for tests, scripts and exports."""
    token = _override.set(Reader(language, timezone))
    try:
        yield
    finally:
        _override.reset(token)


def reader() -> Reader:
    """The person the texts are for at this moment."""
    return _override.get() or _source() or Reader()


def language() -> str:
    """ "en" or "vi"."""
    return reader().language


def choose_language(
    asked: str | None = None, own: str | None = None, accept_language: str | None = None, default: str = FALLBACK
) -> str:
    """The language to use: `?lang=` first, then the person's own setting, then the browser, then the default.

    >>> choose_language(None, None, "fr;q=0.9, vi-VN, en;q=0.5")
    'vi'
    """
    for wish in (asked, own):
        if wish in LANGUAGES:
            return wish
    return next((tag for tag in _accepted(accept_language or "") if tag in LANGUAGES), default)


def _accepted(header: str) -> list[str]:
    wishes = []
    for position, part in enumerate(header.split(",")):
        tag, _, quality = part.strip().partition(";q=")
        try:
            weight = float(quality) if quality else 1.0
        except ValueError:
            weight = 0.0
        wishes.append((-weight, position, tag.split("-")[0].lower()))
    return [tag for weight, _, tag in sorted(wishes) if weight < 0]


# --- the catalogue -------------------------------------------------------------------------------------------------


@cache
def catalogue(language: str) -> Mapping[str, str]:
    """All texts of a language, keys flattened with dots and led by the file's name."""
    found: dict[str, str] = {}
    for path in sorted((FOLDER / language).glob("*.yaml")):
        for key, text in _flatten(yaml.safe_load(path.read_text(encoding="utf-8")) or {}, path.stem):
            found[key] = text
    return found


def _flatten(node: Any, prefix: str) -> Iterable[tuple[str, str]]:
    if isinstance(node, dict):
        for key, value in node.items():
            yield from _flatten(value, f"{prefix}.{key}")
    else:
        yield prefix, str(node)


def has(key: str) -> bool:
    """Whether the catalogue has this key (or its plural forms)."""
    texts = catalogue(FALLBACK)
    return key in texts or f"{key}.other" in texts


def t(key: str, **params: Any) -> str:
    """The text of a key in the reader's language, with numbers in `params` written as the reader writes them.

    A key with sub-keys `one` and `other` is chosen by `n`. A missing key raises, so that a test finds it.

    >>> with reading_as("en"):
    ...     t("common.n_rows", n=1200)
    '1,200 rows'
    """
    texts = catalogue(language())
    text = texts.get(key)
    if text is None:
        text = texts.get(f"{key}.{_plural(params.get('n', 0))}", texts.get(f"{key}.other"))
    if text is None:
        raise KeyError(f"no text {key!r} in language {language()!r}")
    if not params:
        return text
    return text.format(**{name: _param(value) for name, value in params.items()})


def t_or(key: str, otherwise: str, **params: Any) -> str:
    """The text of a key that data made up (a reason, a label, an error code), or `otherwise` where there is none."""
    return t(key, **params) if has(key) else otherwise


def choose(titles: Mapping[str, str] | None, otherwise: str) -> str:
    """The reader's language out of {"en": ..., "vi": ...}, as models and labels carry their titles."""
    titles = titles or {}
    return titles.get(language()) or titles.get(FALLBACK) or otherwise


def plain(outside: str) -> str:
    """Text from outside for a place where Markdown is read: nothing in it is formatting.

    >>> plain("a*b")
    'a\\\\*b'
    """
    return "".join("\\" + char if char in "\\`*_{}[]<>()#+!|~$:" else char for char in outside)


def _plural(n: Any) -> str:
    return str(locale().plural_form(n)) if isinstance(n, int | float) else "other"


def _param(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    return babel_numbers.format_decimal(value, locale=locale())


# --- zones and locales ---


def is_timezone(name: str | None) -> bool:
    """Whether a zone of this name exists here."""
    return bool(name) and re.fullmatch(r"[A-Za-z0-9_+\-/]{1,64}", name or "") is not None and name in _zones()


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


@cache
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def locale() -> BabelLocale:
    """The CLDR locale that writes the reader's numbers and dates."""
    return _babel(language())


@cache
def _babel(language: str) -> BabelLocale:
    return BabelLocale.parse(_BABEL[language])
