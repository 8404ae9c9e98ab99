"""The sign-in page: one small HTML form without script, in English and Vietnamese, light and dark."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from html import escape
from pathlib import Path
from string import Template
from urllib.parse import urlencode

import yaml
from fastapi.responses import HTMLResponse

from backend.errors import SoiError

LANGUAGES = ("en", "vi")
_HERE = Path(__file__).parent
_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)


@cache
def texts() -> dict[str, dict[str, str]]:
    """Every text of the page by language and key."""
    found: dict[str, dict[str, str]] = yaml.safe_load((_HERE / "login_page.yaml").read_text("utf-8"))
    return found


@cache
def _template(name: str) -> Template:
    return Template((_HERE / name).read_text("utf-8"))


def choose_language(wanted: str | None, accepted: str | None, default: str) -> str:
    """`?lang=` first, then the first language of Accept-Language that we speak, then the setting.

    >>> choose_language(None, "fr-FR, vi;q=0.8, en;q=0.5", "en")
    'vi'
    """
    if wanted in LANGUAGES:
        return wanted
    weighted = []
    for position, item in enumerate((accepted or "")[:500].split(",")):
        tag, _, parameter = item.strip().partition(";")
        try:
            weight = float(parameter.strip().removeprefix("q=")) if parameter else 1.0
        except ValueError:
            weight = 0.0
        weighted.append((-weight, position, tag.split("-")[0].lower()))
    return next((tag for weight, _, tag in sorted(weighted) if tag in LANGUAGES and weight < 0), default)


def render_login(
    language: str,
    next_path: str,
    *,
    is_first: bool,
    error: SoiError | None = None,
    fields: Mapping[str, str] | None = None,
) -> HTMLResponse:
    """The page. With `error` its message is shown and what was typed (never a password or token) is kept."""
    words = texts()[language]
    typed = fields or {}
    message = "" if error is None else words.get(f"error_{error.code}", words["error_other"])
    other = "vi" if language == "en" else "en"
    values = {
        **words,
        "language": language,
        "email": typed.get("email", "")[:320],
        "name": typed.get("name", "")[:200],
        "next": next_path,
        "message": message,
        "other_language": other,
        "other_link": "/login?" + urlencode({"lang": other, "next": next_path}),
        "action": "/login?" + urlencode({"lang": language}),
        "heading": words["heading_first" if is_first else "heading"],
        "button": words["button_first" if is_first else "button"],
    }
    escaped = {key: escape(value) for key, value in values.items()}
    form = _template("login_first.html" if is_first else "login_form.html").substitute(escaped)
    alert = f'<p class="alert" role="alert">{escaped["message"]}</p>' if message else ""
    page = _template("login.html").substitute(escaped, form=form, alert=alert)
    headers = {"Content-Security-Policy": _POLICY, "Cache-Control": "no-store"}
    if error is not None and error.retry_after_s is not None:
        headers["Retry-After"] = str(max(1, round(error.retry_after_s)))
    return HTMLResponse(page, status_code=200 if error is None else error.status, headers=headers)
