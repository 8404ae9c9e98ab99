"""Reports: files about a model for people who do not sign in. Make one now, read and download those there are, and set
the schedules that make them."""

from __future__ import annotations

from datetime import timedelta

import streamlit as st

from backend.reports.schemas import ReportInfo
from dashboard.kit import address, data, frame, session, text, values
from dashboard.kit.data import ModelInfo
from dashboard.kit.text import reader, t, t_or
from dashboard.screens import report_schedules

_DAYS = (7, 30)
_PAGE = 10
_OPEN_STATES = ("queued", "running")
_BADGES = {
    "ok": ("green", ":material/check_circle:"),
    "warning": ("orange", ":material/warning:"),
    "bad": ("red", ":material/error:"),
    "no_data": ("gray", ":material/hourglass_empty:"),
}


def show() -> None:
    frame.page("reports.title", "reports.intro")
    model = frame.model_picker(st.columns([1.3, 3])[0])
    _make(model)
    _reports(model)
    report_schedules.show(model)


def _make(model: ModelInfo) -> None:
    with st.container(border=True):
        days, languages, button = st.columns([1.4, 1.6, 1], vertical_alignment="bottom")
        wanted_days = days.segmented_control(
            t("reports.days"),
            list(_DAYS),
            default=_DAYS[0],
            required=True,
            format_func=lambda n: t("reports.days_shown", n=n),
            key="report_days",
        )
        wanted = languages.pills(
            t("reports.languages"),
            list(text.LANGUAGES),
            default=[text.language()],
            selection_mode="multi",
            format_func=lambda name: t(f"reports.language.{name}"),
            key="report_languages",
        )
        asked = button.button(
            t("reports.make_now"), type="primary", width="stretch", disabled=not wanted, key="make_report"
        )
    if asked:
        with frame.errors():
            session.client().reports.create(
                model=model.name, days=wanted_days, languages=list(wanted), timezone=reader().timezone
            )
            data.forget()
            st.rerun()


@st.fragment(run_every=2.0)  # type: ignore[untyped-decorator]
def _reports(model: ModelInfo) -> None:
    """The reports there are, newest first; while one is being made this part draws itself again."""
    with frame.errors():
        address.follow_text("report")
        wanted = st.session_state.get("report") or ""
        found = session.client().reports.list(model.name, limit=st.session_state.get("soi_n_reports", _PAGE) + 1)
        n_shown = st.session_state.get("soi_n_reports", _PAGE)
        if not found:
            frame.empty_state("reports.empty")
        for report in found[:n_shown]:
            _one(report, is_wanted=report.id == wanted)
        if len(found) > n_shown and st.button(t("reports.older"), key="older_reports"):
            st.session_state["soi_n_reports"] = n_shown + 2 * _PAGE
            st.rerun(scope="fragment")


def _one(report: ReportInfo, *, is_wanted: bool) -> None:
    with st.container(border=True, key=f"soi_report_{report.id}"):
        what, files, more = st.columns([2.6, 3.2, 1], vertical_alignment="center")
        with what:
            _what(report, is_wanted=is_wanted)
        with files:
            if report.state in _OPEN_STATES:
                step = t_or(f"jobs.step.{report.step}", "") if report.step else ""
                said = " · ".join(part for part in (_state_said(report), step) if part)
                st.progress(min(1.0, report.progress), text=said)
            elif report.state == "failed":
                st.error(f"**{t('reports.failed')}**  \n{_plain(report.error or '')}", icon=":material/error:")
            else:
                _files(report)
        with more:
            _more(report)


def _plain(said: str) -> str:
    """A reason from outside is shown as it is, never as markup."""
    return "".join("\\" + char if char in "\\`*_{}[]<>()#+-.!|$:~" else char for char in said)


def _state_said(report: ReportInfo) -> str:
    if report.is_stalled:
        return t("jobs.state.stalled")
    return t("jobs.state.queued") if report.state == "queued" else t("reports.being_made")


def _what(report: ReportInfo, *, is_wanted: bool) -> None:
    """Which days, how the model was, and where the report came from."""
    last = report.window_end - timedelta(seconds=1)  # the end itself is not part of it
    shown = f"{values.date(report.window_start)} – {values.date(last)}"
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if report.verdict in _BADGES:
            colour, icon = _BADGES[report.verdict]
            st.badge(t(f"overview.state.{report.verdict}"), color=colour, icon=icon)
        elif report.state == "cancelled":
            st.badge(t("reports.cancelled"), color="gray")
        st.markdown(f":primary[**{shown}**]" if is_wanted else f"**{shown}**")
    how = t("reports.by_schedule") if report.schedule_id or report.due_at else t("reports.by_hand")
    said = t("reports.made", how=how, at=values.moment(report.created_at))
    if report.delivery != "none":
        said += " · " + t(f"reports.{report.delivery}")
    st.caption(said)


def _files(report: ReportInfo) -> None:
    """Open in the browser, or take the file along."""
    for file in report.files:
        name = t(f"reports.language.{file.language}")
        href = f"/v1/reports/{report.id}/file?language={file.language}"
        opening, saving = st.columns([1.6, 1])
        opening.link_button(
            t("reports.open", language=name), f"{href}&disposition=inline", icon=":material/open_in_new:",
            width="stretch",
        )  # fmt: skip
        saving.link_button(
            values.size(file.n_bytes),
            href,
            icon=":material/download:",
            width="stretch",
            help=t("reports.download_help"),
        )


def _more(report: ReportInfo) -> None:
    with st.popover("", icon=":material/more_horiz:", width="stretch"):
        link = frame.url("reports", model=report.model, report=report.id)
        st.caption(t("reports.link_help"))
        st.code(f"{_origin()}{link}", language=None, wrap_lines=True)
        if session.may("reports:write") and st.button(
            t("reports.delete"), icon=":material/delete:", key=f"delete_{report.id}", width="stretch"
        ):
            with frame.errors():
                session.client().reports.delete(report.id)
                st.rerun(scope="fragment")


def _origin() -> str:
    scheme, _, rest = (st.context.url or "").partition("://")
    return f"{scheme}://{rest.split('/')[0]}" if rest else ""
