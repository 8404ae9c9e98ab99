"""Retraining: start a run, watch it, and see whether the new version beats its parent on held-out items."""

from __future__ import annotations

from typing import Any

import streamlit as st

from backend.model_versions.schemas import VersionRead
from backend.retraining.schemas import RetrainingRunInfo
from dashboard.kit import charts, data, frame, session, values
from dashboard.kit.data import ModelInfo
from dashboard.kit.text import t
from dashboard.screens import job_progress

#: Measures shown beside the parent's: key, and whether more is better.
MEASURES = (("accuracy", True), ("escape_rate", False), ("overkill_rate", False))


def show() -> None:
    frame.page("retraining.title", "retraining.intro")
    model = frame.model_picker(st.columns([1.3, 3])[0])
    if session.may("runs:write"):
        with st.expander(t("retraining.start"), icon=":material/play_arrow:", expanded=not _runs(model.name)):
            _start(model)
    runs = _runs(model.name)
    if not runs:
        frame.empty_state("retraining.empty", action=("retraining.empty.action", "datasets"))
        return
    by_id = {run.id: run for run in runs}
    chosen = frame.choice("retraining.run", list(by_id), key="run", shown=lambda i: _name(by_id[i]))
    if chosen is None:
        return
    if job_progress.is_open(by_id[chosen].job):
        _live(model, chosen)
    else:
        _outcome(model, by_id[chosen])


def _runs(model: str) -> list[RetrainingRunInfo]:
    return data.read(lambda api: api.retraining.list(model), "retraining", model)


def _name(run: RetrainingRunInfo) -> str:
    parts = (f"{run.parent_version} → {run.new_version or '…'}", run.dataset_name, values.moment(run.created_at))
    return " · ".join((*parts, job_progress.state_of(run.job)))


# --- starting ------------------------------------------------------------------------------------------------------


def _start(model: ModelInfo) -> None:
    datasets = data.read(lambda api: api.datasets.list(model.name, limit=200), "datasets", model.name)
    parents = [version for version in _versions(model.name) if version.kind == "torchscript"]
    if not datasets or not parents:
        missing = "datasets" if not datasets else "parents"
        frame.empty_state(f"retraining.no_{missing}", action=(f"retraining.no_{missing}.action",
                          "datasets" if not datasets else "versions"))  # fmt: skip
        return
    by_id = {dataset.id: dataset for dataset in datasets}
    first, second, third, fourth = st.columns([2, 1.2, 1, 1], vertical_alignment="bottom")
    dataset_id = frame.choice(
        "retraining.dataset",
        list(by_id),
        key="dataset",
        shown=lambda i: t("retraining.dataset_items", name=by_id[i].name, n=by_id[i].n_items),
        where=first,
    )
    names = [version.name for version in parents]
    parent = frame.choice("retraining.parent", names, key="parent", default=_champion(model.name, names), where=second)
    epochs = third.number_input(t("retraining.epochs"), 1, 200, 8, help=t("retraining.epochs_help"))
    if fourth.button(t("retraining.start_now"), type="primary", width="stretch", key="start"):
        with frame.errors():
            run = session.client().retraining.create(dataset_id=dataset_id, parent_version=parent, epochs=int(epochs))
            data.forget()
            st.query_params["run"] = run.id
            st.rerun()
    st.caption(t("retraining.shadow_note"))


def _versions(model: str) -> list[VersionRead]:
    return data.read(lambda api: api.model_versions.list(model, limit=500), "model_versions", model)


def _champion(model: str, names: list[str]) -> str | None:
    current = data.read(lambda api: api.rollouts.current(model), "rollout", model)
    return current.champion if current is not None and current.champion in names else None


# --- one run -------------------------------------------------------------------------------------------------------


@st.fragment(run_every=1.0)  # type: ignore[untyped-decorator]
def _live(model: ModelInfo, run_id: str) -> None:
    """The run as it is now; when it ends the whole screen is drawn again."""
    with frame.errors():
        run = session.client().retraining.get(run_id)
        if not job_progress.is_open(run.job):
            data.forget()
            st.rerun()
        job_progress.show(run.job, key=run.id)
        _curves(run)


def _outcome(model: ModelInfo, run: RetrainingRunInfo) -> None:
    if run.job.state != "done":
        job_progress.show(run.job, key=run.id)
        _curves(run)
        return
    st.success(t("retraining.done", version=run.new_version or "", dataset=run.dataset_name),
               icon=":material/check_circle:")  # fmt: skip
    _against_parent(run)
    left, right = st.columns([1.1, 1])
    with left:
        _curves(run)
    with right:
        _confusion(model, run.metrics.get("new") or {})
    _next_steps(model, run)
    job_progress.messages(run.job)


def _curves(run: RetrainingRunInfo) -> None:
    """Loss and accuracy over the epochs, from the second one on."""
    if len(run.history) < 2:
        return
    epochs = [float(row.epoch) for row in run.history]
    curves: dict[str, tuple[list[float | None], str]] = {"loss": ([row.loss for row in run.history], "score")}
    if any(row.accuracy is not None for row in run.history):
        curves["accuracy"] = ([row.accuracy for row in run.history], "ratio")
    for name, (line, unit) in curves.items():
        title = t(f"retraining.{name}")
        st.markdown(f"**{title}**")
        figure = charts.curves(epochs, {title: line}, x_title=t("retraining.epoch"), unit=unit,
                               colours=frame.colours(), height=200)  # fmt: skip
        figure.update_xaxes(dtick=max(1, len(epochs) // 10))
        st.plotly_chart(figure, key=f"{name}-{run.id}", config={"displayModeBar": False})


def _against_parent(run: RetrainingRunInfo) -> None:
    new, parent = run.metrics.get("new") or {}, run.metrics.get("parent") or {}
    if not new.get("n"):
        st.info(t("retraining.nothing_held_out"))
        return
    places = st.columns(len(MEASURES) + 1)
    for place, (name, more_is_better) in zip(places, MEASURES, strict=False):
        mine, theirs = new.get(name), parent.get(name)
        place.metric(
            t(f"retraining.measure.{name}"),
            values.percent(mine),
            values.points(mine - theirs) if mine is not None and theirs is not None else None,
            delta_arrow="off" if mine == theirs else "auto",
            delta_color="off" if mine == theirs else "normal" if more_is_better else "inverse",
            help=t(f"retraining.measure.{name}_help"),
        )
    places[-1].metric(t("retraining.held_out_items"), values.number(new["n"]))
    st.caption(t("retraining.against", parent=run.parent_version))


def _confusion(model: ModelInfo, metrics: dict[str, Any]) -> None:
    if not metrics.get("n"):
        return
    st.markdown(f"**{t('retraining.confusion')}**")
    names = [model.label_shown(label) for label in metrics["labels"]]
    figure = charts.confusion(
        metrics["confusion"],
        names,
        names,
        row_title=t("retraining.truth"),
        column_title=t("retraining.answer"),
        colours=frame.colours(),
    )
    st.plotly_chart(figure, key="confusion", config={"displayModeBar": False})


def _next_steps(model: ModelInfo, run: RetrainingRunInfo) -> None:
    st.markdown(f"**{t('retraining.next')}**")
    one, two, _ = st.columns([1.4, 1.4, 2])
    with one:
        frame.link("compare", t("retraining.compare"), icon=":material/compare_arrows:", model=model.name,
                   a=f"version:{run.new_version}", b=f"version:{run.parent_version}", seen="any")  # fmt: skip
    with two:
        frame.link("versions", t("retraining.decide"), icon=":material/deployed_code:", model=model.name,
                   version=run.new_version)  # fmt: skip
