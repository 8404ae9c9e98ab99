"""What was said and done about a ladder before: kept verdicts, and the rollouts that moved it."""

from __future__ import annotations

import streamlit as st

from backend.automation.schemas import Rung
from backend.rollouts.schemas import RolloutRead
from dashboard.kit import automation_words as words
from dashboard.kit import data, values
from dashboard.kit.data import ModelInfo
from dashboard.kit.tables import table
from dashboard.kit.text import t
from dashboard.screens.automation_policy import kind_name
from review.rules.levels import level_of

N_LINES = 50


def show(model: ModelInfo, rung: Rung) -> None:
    """Both lists, newest first."""
    with st.expander(t("automation.history"), icon=":material/history:"):
        found = data.read(
            lambda api: api.automation.verdicts(model.name, segment=rung.segment, limit=N_LINES),
            "automation_verdicts",
            model.name,
            rung.segment,
        )
        if not found:
            st.caption(t("automation.history_none"))
        else:
            rows = [
                {
                    "at": values.moment(line.decided_at),
                    "level": words.level_name(line.level),
                    "verdict": kind_name(line.kind),
                    "why": words.line_why(line.key),
                    "version": line.version or values.NOTHING,
                    "rollout": str(line.rollout_id) if line.rollout_id else values.NOTHING,
                }
                for line in found
            ]
            named = [{t(f"automation.history_column.{name}"): cell for name, cell in row.items()} for row in rows]
            table(named, alt=t("automation.history"), key="verdicts", height=320)
        moves = data.read(lambda api: api.rollouts.list(model.name, limit=N_LINES), "rollouts", model.name)
        if moves:
            st.markdown(f"**{t('automation.moves')}**")
            table([_move(one, rung.segment) for one in moves], alt=t("automation.moves"), key="moves", height=320)


def _move(one: RolloutRead, segment: str) -> dict[str, str]:
    key, _, value = segment.partition("=")
    level = level_of(one.automation_level, one.automation, {key: value} if key else {})
    who = one.created_by_name or one.created_by
    if one.created_by.startswith("policy:"):
        who = t("automation.by_policy", id=one.created_by.removeprefix("policy:"))
    row = {
        "at": values.moment(one.created_at),
        "level": words.level_name(level),
        "champion": one.champion or values.NOTHING,
        "who": who,
        "reason": one.reason,
    }
    return {t(f"automation.moves_column.{name}"): cell for name, cell in row.items()}
