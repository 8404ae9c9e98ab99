"""How the Inspectors screen writes verdicts, shares, agreement and what was read for them."""

from __future__ import annotations

from typing import Final

import streamlit as st

from backend.judges.schemas import Between, Counted, JudgedShare, JudgeFigures, LimitOut, Share, Speed
from dashboard.kit import values
from dashboard.kit.text import t

CRITERIA: Final = ("effectiveness", "miss", "false_alarm")
_ICONS: Final = {"acceptable": "✓", "marginal": "▲", "unacceptable": "✕"}
#: Krippendorff's own reading: from .800 on reliable, down to .667 for tentative conclusions only.
_RELIABLE, _TENTATIVE = 0.800, 0.667


def alpha_in_words(between: Between | None) -> str:
    """Alpha's interval, and what it allows to conclude."""
    if between is None or between.alpha.value is None:
        return t("inspectors.alpha_unknown")
    alpha = between.alpha
    low, high = values.number(alpha.lower, 2), values.number(alpha.upper, 2)
    told = [t(f"inspectors.alpha.{_reading(alpha.value or 0.0)}")]
    told.append(t("inspectors.alpha_interval", low=low, high=high, n=between.n_subjects))
    if alpha.lower is not None and alpha.upper is not None and _reading(alpha.lower) != _reading(alpha.upper):
        told.append(t("inspectors.alpha_unsure"))
    return " ".join(told)


def _reading(alpha: float) -> str:
    return "reliable" if alpha >= _RELIABLE else "tentative" if alpha >= _TENTATIVE else "unreliable"


def is_sure(figures: JudgeFigures) -> bool:
    """Whether more answers can hardly change the verdict: some criterion that makes it is firm, and for a good one all
    are."""
    judged = [one for one in (getattr(figures, name) for name in CRITERIA) if one.verdict is not None]
    if figures.verdict == "unacceptable":
        return any(one.is_sure for one in judged if one.verdict == figures.verdict)
    return all(one.is_sure for one in judged)


def times_shown(speed: Speed) -> str:
    """The middle 80 % of the times."""
    if speed.p10_ms is None or speed.p90_ms is None:
        return values.NOTHING
    return f"{values.milliseconds(speed.p10_ms)} – {values.milliseconds(speed.p90_ms)}"


def verdict_shown(verdict: str | None, *, is_sure: bool = True) -> str:
    """The verdict with its sign; a question mark where more answers may change it."""
    if verdict is None:
        return values.NOTHING
    return f"{_ICONS[verdict]} {t(f'inspectors.verdict.{verdict}')}{'' if is_sure else ' ?'}"


def with_sign(judged: JudgedShare) -> str:
    """A judged share with its verdict's sign and its interval."""
    if judged.value is None or judged.verdict is None:
        return values.NOTHING
    return f"{_ICONS[judged.verdict]} {share_shown(judged)}"


def share_shown(share: Share) -> str:
    """96.0% (91.2–98.6%, n = 120)."""
    if share.value is None:
        return values.NOTHING
    return f"{values.percent(share.value)} ({values.interval(share.lower, share.upper)}, n = {values.number(share.n)})"


def limits_line(limits: list[LimitOut]) -> str:
    """The limits in one sentence."""
    parts = []
    for limit in limits:
        sign = "≥" if limit.is_high_good else "≤"
        good, poor = values.percent(limit.acceptable, 0), values.percent(limit.marginal, 0)
        parts.append(f"{t(f'inspectors.criteria.{limit.criterion}')} {sign} {good} / {poor}")
    return t("inspectors.limits", limits="; ".join(parts))


def tell_counted(counted: Counted) -> None:
    """What was read, and everything that was not, in words: nothing is left out silently."""
    parts = [t("inspectors.counted.answers", n=counted.n_answers)]
    for name in ("left_out", "unusable", "unsure", "assisted", "repeated"):
        n = getattr(counted, f"n_{name}")
        if n:
            parts.append(t(f"inspectors.counted.{name}", n=n, differing=counted.n_repeated_differing))
    st.caption(" ".join(parts))
