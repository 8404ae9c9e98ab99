"""How a job goes, drawn the same on every screen that waits for one: bar, step, what it said, and a way to end it."""

from __future__ import annotations

import re

import streamlit as st

from backend.jobs.schemas import JobInfo
from dashboard.kit import data, frame, session, values
from dashboard.kit.text import t, t_or

OPEN_STATES = ("queued", "running")
_EPOCH = re.compile(r"epoch (\d+)/(\d+)")


def is_open(job: JobInfo) -> bool:
    """Whether the job still waits or runs."""
    return job.state in OPEN_STATES


def state_of(job: JobInfo) -> str:
    """The state in words; a running job that nobody hears of is said to be stalled."""
    return t("jobs.state.stalled" if job.is_stalled else f"jobs.state.{job.state}")


def step_of(job: JobInfo) -> str:
    """What is being done, in words."""
    epoch = _EPOCH.fullmatch(job.step)
    if epoch:
        return t("jobs.step.epoch", n=int(epoch[1]), of=int(epoch[2]))
    return t_or(f"jobs.step.{job.step}", job.step) if job.step else ""


def show(job: JobInfo, *, key: str) -> None:
    """Bar, words, messages; a button ends a job that is not finished."""
    if is_open(job):
        bar, end = st.columns([6, 1], vertical_alignment="center")
        said = " · ".join(part for part in (state_of(job), step_of(job), values.percent(job.progress, 0)) if part)
        bar.progress(min(1.0, job.progress), text=said)
        if session.may("runs:write") and end.button(t("jobs.cancel"), key=f"cancel-{key}", width="stretch"):
            _cancel(job)
        if job.is_stalled:
            st.warning(t("jobs.stalled_body"), icon=":material/hourglass_disabled:")
        elif job.state == "queued":
            st.caption(t("jobs.queued_body"))
    elif job.state == "failed":
        st.error(f"**{t('jobs.failed')}**  \n{t('jobs.failed_body')}", icon=":material/error:")
        st.code(job.error or "", language=None)
    elif job.state == "cancelled":
        st.info(t("jobs.cancelled_body"), icon=":material/cancel:")
    messages(job)


def messages(job: JobInfo) -> None:
    """What the job wrote down, newest first."""
    if not job.messages:
        return
    with st.expander(t("jobs.messages")):
        lines = [f"{values.clock(message.at)}  {message.text}" for message in reversed(job.messages)]
        st.code("\n".join(lines), language=None)


def _cancel(job: JobInfo) -> None:
    with frame.errors():
        session.client().jobs.cancel(job.id)
        data.forget()
        st.rerun()
