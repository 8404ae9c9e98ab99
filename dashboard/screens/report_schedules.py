"""The schedules of a model's reports, below the list of reports: what is set, and setting it."""

from __future__ import annotations

from typing import Any
from zoneinfo import available_timezones

import streamlit as st
from babel import dates as babel_dates

from backend.reports.schemas import ScheduleInfo
from dashboard.kit import data, frame, session, text, values
from dashboard.kit.data import ModelInfo
from dashboard.kit.text import locale, reader, t

_HOURS = tuple(range(24))
_DAYS = tuple(range(7))


def show(model: ModelInfo) -> None:
    """What is set for this model; people who may, change it here."""
    st.subheader(t("reports.schedules"), anchor=False)
    st.caption(t("reports.schedules_intro"))
    with frame.errors():
        found = data.read(lambda api: api.reports.schedules(model.name), "report_schedules", model.name)
        if not found:
            st.markdown(t("reports.no_schedule"))
        for schedule in found:
            _one(schedule)
        if session.may("reports:write"):
            with st.expander(t("reports.add_schedule"), icon=":material/add:"):
                wish = _form(None, key="new")
                if wish is not None:
                    _do(lambda: session.client().reports.create_schedule(model=model.name, **wish))


def _one(schedule: ScheduleInfo) -> None:
    with st.container(border=True, key=f"soi_schedule_{schedule.id}"):
        said, switch, remove = st.columns([4, 1, 1], vertical_alignment="center")
        with said:
            languages = " · ".join(t(f"reports.language.{name}") for name in schedule.languages)
            st.markdown(f"**{when(schedule)}** · {languages}")
            st.caption(
                t("reports.next", at=values.moment(schedule.next_due_at)) if schedule.is_active else t("reports.paused")
            )
        if not session.may("reports:write"):
            return
        label = t("reports.pause") if schedule.is_active else t("reports.resume")
        if switch.button(label, key=f"switch_{schedule.id}", width="stretch"):
            turned = not schedule.is_active
            _do(lambda: session.client().reports.change_schedule(schedule.id, is_active=turned))
        if remove.button(t("reports.delete"), key=f"remove_{schedule.id}", width="stretch"):
            _do(lambda: session.client().reports.delete_schedule(schedule.id))
        with st.expander(t("reports.change"), icon=":material/edit:"):
            wish = _form(schedule, key=schedule.id)
            if wish is not None:
                _do(lambda: session.client().reports.change_schedule(schedule.id, **wish))


def _form(schedule: ScheduleInfo | None, *, key: str) -> dict[str, Any] | None:
    """Day, hour, zone and languages; what was chosen, when it is to be saved."""
    zones = sorted({*available_timezones(), reader().timezone})
    zone = schedule.timezone if schedule else reader().timezone
    day, hour, where, languages, save = st.columns([1.2, 0.9, 1.6, 1.8, 0.9], vertical_alignment="bottom")
    wish = {
        "weekday": day.selectbox(
            t("reports.weekday"),
            _DAYS,
            index=schedule.weekday if schedule else 0,
            format_func=_day_name,
            key=f"weekday_{key}",
        ),
        "hour": hour.selectbox(
            t("reports.hour"),
            _HOURS,
            index=schedule.hour if schedule else 7,
            format_func=_hour_name,
            key=f"hour_{key}",
        ),
        "timezone": where.selectbox(
            t("reports.timezone"), zones, index=zones.index(zone) if zone in zones else 0, key=f"zone_{key}"
        ),
        "languages": languages.pills(
            t("reports.languages"),
            list(text.LANGUAGES),
            default=schedule.languages if schedule else [text.language()],
            selection_mode="multi",
            format_func=lambda name: t(f"reports.language.{name}"),
            key=f"languages_{key}",
        ),
    }
    if session.may("channels:manage"):
        known = {one.id: one.name for one in data.read(lambda api: api.channels.list(), "channels")}
        chosen = schedule.channel_id if schedule and schedule.channel_id in known else None
        wish["channel_id"] = st.selectbox(
            t("reports.channel"),
            [None, *known],
            index=[None, *known].index(chosen),
            format_func=lambda one: known[one] if one else t("reports.no_one"),
            key=f"channel_{key}",
        )
    asked = save.button(t("reports.save_schedule"), key=f"save_{key}", width="stretch", disabled=not wish["languages"])
    return wish if asked else None


def when(schedule: ScheduleInfo) -> str:
    """Monday at 07:00 (Asia/Ho_Chi_Minh)."""
    return t("reports.when", day=_day_name(schedule.weekday), hour=_hour_name(schedule.hour), zone=schedule.timezone)


def _day_name(weekday: int) -> str:
    return str(babel_dates.get_day_names("wide", context="stand-alone", locale=locale())[weekday])


def _hour_name(hour: int) -> str:
    return f"{hour:02d}:00"


def _do(call: Any) -> None:
    """A change through the API; what the screen has read before is forgotten."""
    with frame.errors():
        call()
        data.forget()
        st.rerun()
