"""Capacity: the processes that run, and what each uses of its machine: processor, memory, disk, graphics, queues."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

import streamlit as st

from backend.monitors.schemas import MeasureOut
from backend.processes.schemas import ProcessOut, ProcessSeries
from dashboard.kit import charts, data, frame, values
from dashboard.kit.frame import Window
from dashboard.kit.tables import table
from dashboard.kit.text import t, t_or

#: Of the free space less than this is told in red.
_LITTLE_DISK: Final = 0.1
#: Left out while they are zero throughout.
_ONLY_WHEN_USED: Final = frozenset({"shadow_queue", "shadow_drops_by_process"})


def show() -> None:
    frame.page("capacity.title", "capacity.how")
    window = frame.time_range(st.columns([1, 3])[0], default="24h")
    processes = data.read(lambda api: api.processes.list(hours=24), "processes")
    if not processes:
        frame.empty_state("capacity.empty")
        return
    _warn(processes)
    st.subheader(t("capacity.processes"), anchor=False)
    table([_row(process) for process in processes], alt=t("capacity.processes"))
    _charts(window)
    frame.window_caption(window)


def _warn(processes: list[ProcessOut]) -> None:
    """Disks that are nearly full; processes of one machine share theirs."""
    for process in processes:
        free, total = process.disk_free_bytes, process.disk_total_bytes
        if process.is_alive and free is not None and total and free / total < _LITTLE_DISK:
            share = values.percent(free / total)
            st.warning(t("capacity.little_disk", process=process.process, free=values.size(free), share=share))


def _row(process: ProcessOut) -> dict[str, str]:
    kind, _, host = process.process.partition("@")
    queues = {
        "commit": process.n_commit_waiting,
        "shadow": process.n_shadow_waiting,
        "jobs": process.n_jobs_waiting,
    }
    waiting = ", ".join(t(f"capacity.waiting.{name}", n=n) for name, n in queues.items() if n is not None)
    now = datetime.now(UTC)
    row = {
        "process": t_or(f"capacity.kind.{kind}", kind),
        "host": f"{host} ({process.pid})",
        "state": t("capacity.alive")
        if process.is_alive
        else t("capacity.silent", ago=values.ago(process.sampled_at, now)),
        "since": values.moment(process.started_at),
        "cpu": values.percent(process.cpu_share, 0),
        "memory": values.size(process.rss_bytes),
        "disk": values.size(process.disk_free_bytes),
        "gpu": _gpu(process),
        "waiting": waiting or values.NOTHING,
    }
    return {t(f"capacity.column.{name}"): value for name, value in row.items()}


def _gpu(process: ProcessOut) -> str:
    if process.gpu_share is None:
        return values.NOTHING
    return f"{values.percent(process.gpu_share, 0)}, {values.size(process.gpu_memory_bytes)}"


def _charts(window: Window) -> None:
    found: list[tuple[MeasureOut, ProcessSeries]] = []
    for measure in data.read(lambda api: api.monitors.measures(), "measures"):
        if measure.group == "capacity":
            with frame.errors():
                series = _series(measure, window)
                if _is_worth_drawing(measure, series):
                    found.append((measure, series))
    for first in range(0, len(found), 2):
        for column, (measure, series) in zip(st.columns(2), found[first : first + 2], strict=False):
            with column:
                _chart(measure, series, window)


def _series(measure: MeasureOut, window: Window) -> ProcessSeries:
    return data.read(
        lambda api: api.processes.series(measure.name, window.start, window.end, grain_s=window.grain_s),
        "process_series",
        measure.name,
        *window.key,
    )


def _is_worth_drawing(measure: MeasureOut, series: ProcessSeries) -> bool:
    known = [value for line in series.lines for value in line.value if value is not None]
    return any(known) if measure.name in _ONLY_WHEN_USED else bool(known)


def _chart(measure: MeasureOut, series: ProcessSeries, window: Window) -> None:
    title = t(measure.title_key)
    st.markdown(f"**{title}**", help=t(measure.description_key))
    lines = [charts.Line(line.name, series.bucket_at, line.value) for line in series.lines]
    figure = charts.time_chart(
        lines, unit=measure.unit, colours=frame.colours(), window=(window.start, window.end), height=220
    )
    figure.update_layout(dragmode=False)
    key = f"capacity_{measure.name}"
    alt = charts.describe(lines, measure.unit, title)
    st.plotly_chart(figure, theme=None, config=charts.CONFIG, key=key, alt=alt)
