"""How the Inspectors screen writes verdicts, shares, agreement and what was read for them."""

from __future__ import annotations

from typing import Final

import streamlit as st

from backend.judges.schemas import Between, Counted, JudgedShare, LimitOut, Share
from dashboard.kit import values
from dashboard.kit.text import t

_ICONS: Final = {"acceptable": "✓", "marginal": "▲", "unacceptable": "✕"}
#: Krippendorff's own reading: from .800 on reliable, down to .667 for tentative conclusions only.
_RELIABLE, _TENTATIVE = 0.800, 0.667


def alpha_in_words(between: Between | None) -> str:
    """Alpha's interval, and what it allows to conclude."""
    if between is None or between.alpha.value is None:
        return t("inspectors.alpha_unknown")
    alpha = between.alpha
    value = alpha.value or 0.0
    name = "reliable" if value >= _RELIABLE else "tentative" if value >= _TENTATIVE else "unreliable"
    low, high = values.number(alpha.lower, 2), values.number(alpha.upper, 2)
    interval = t("inspectors.alpha_interval", low=low, high=high, n=between.n_subjects)
    return f"{t(f'inspectors.alpha.{name}')} {interval}"


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
