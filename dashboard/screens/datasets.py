"""Datasets: build an immutable snapshot of labelled data, and read what is inside each one."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Any

import streamlit as st

from backend.datasets.schemas import DatasetInfo
from dashboard.kit import charts, data, frame, session, values
from dashboard.kit.data import ModelInfo
from dashboard.kit.tables import table
from dashboard.kit.text import reader, t, t_or
from dashboard.screens import job_progress


def show() -> None:
    frame.page("datasets.title", "datasets.intro")
    model = frame.model_picker(st.columns([1.3, 3])[0])
    _running(model.name)
    if session.may("datasets:write"):
        with st.expander(t("datasets.build"), icon=":material/add:", expanded=not _all(model.name)):
            _build(model)
    found = _all(model.name)
    if not found:
        frame.empty_state("datasets.empty", action=("datasets.empty.action", "labelled-data"))
        return
    _list(found)
    by_id = {dataset.id: dataset for dataset in found}
    chosen = frame.choice("datasets.dataset", list(by_id), key="dataset", shown=lambda i: by_id[i].name)
    if chosen:
        _one(model, by_id[chosen], by_id)


def _all(model: str) -> list[DatasetInfo]:
    return data.read(lambda api: api.datasets.list(model, limit=200), "datasets", model)


# --- building ------------------------------------------------------------------------------------------------------


@st.fragment(run_every=1.5)  # type: ignore[untyped-decorator]
def _running(model: str) -> None:
    """The builds under way; when one ends the whole screen is drawn again."""
    with frame.errors():
        jobs = session.client().jobs.list(model=model, kind="dataset", limit=5)
        running = [job for job in jobs if job_progress.is_open(job)]
        for job in running:
            st.markdown(t("datasets.building", name=str(job.parameters.get("name", ""))))
            job_progress.show(job, key=job.id)
        latest = jobs[0] if jobs else None
        if latest is not None and latest.state == "failed":
            job_progress.show(latest, key=latest.id)
        before = st.session_state.get("soi_datasets_running", 0)
        st.session_state["soi_datasets_running"] = len(running)
        if before and not running:
            data.forget()
            st.rerun()


def _build(model: ModelInfo) -> None:
    filters, query = _filters(model)
    left, middle, right = st.columns([2, 2, 1.2], vertical_alignment="bottom")
    name = left.text_input(t("datasets.name"), placeholder=t("datasets.name_hint"), max_chars=100)
    share = middle.slider(t("datasets.held_out"), 0, 50, 20, 5, format="%d%%", help=t("datasets.held_out_help"))
    with frame.errors():
        counts = data.read(
            lambda api: api.labelled_data.counts(model.name, **query), "label_counts", model.name, str(query)
        )
        _preview(model, counts.labels, counts.n_items)
        asked = right.button(
            t("datasets.build_now"), type="primary", width="stretch", disabled=not counts.n_items, key="build"
        )
        if asked:
            wish = {"model": model.name, "filters": filters, "held_out_share": share / 100}
            session.client().datasets.create(**wish, **({"name": name.strip()} if name.strip() else {}))
            st.session_state["soi_datasets_running"] = 1
            st.rerun()


def _filters(model: ModelInfo) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the person asked for, as a snapshot's filters and as query parameters of the counts."""
    days, labels, segments, flag = st.columns([1.6, 2, 2, 1.4], vertical_alignment="bottom")
    picked = days.date_input(t("datasets.resolved_between"), value=(), key="resolved_days")
    wanted = labels.multiselect(
        t("datasets.labels"),
        [label.name for label in model.labels],
        format_func=model.label_shown,
        placeholder=t("common.all"),
    )
    options = data.segment_values(model) if model.segment_keys else []
    parts = segments.multiselect(t("common.segment"), options, placeholder=t("common.all"))
    disputed = flag.toggle(t("datasets.disagreement_only"), help=t("datasets.disagreement_help"))
    start, end = _range(picked)
    pairs = dict(part.split("=", 1) for part in parts)
    filters = {"labels": wanted, "segments": pairs, "disagreement_only": disputed, "start": start, "end": end}
    query = {
        "label": wanted or None,
        "segment": [f"{key}:{value}" for key, value in pairs.items()] or None,
        "disagreement_only": disputed or None,
        "start": start,
        "end": end,
    }
    return {name: value for name, value in filters.items() if value not in (None, [], {}, False)}, query


def _range(picked: Any) -> tuple[datetime | None, datetime | None]:
    if not isinstance(picked, tuple | list) or not picked:
        return None, None
    first, last = picked[0], picked[-1]
    start = datetime.combine(first, time(), tzinfo=reader().zone).astimezone(UTC)
    return start, datetime.combine(last, time(), tzinfo=reader().zone).astimezone(UTC) + timedelta(days=1)


def _preview(model: ModelInfo, labels: dict[str, int], n_items: int) -> None:
    if not n_items:
        st.info(t("datasets.nothing_fits"), icon=":material/filter_alt_off:")
        return
    shown = " · ".join(f"{model.label_shown(label)} **{values.number(n)}**" for label, n in labels.items())
    st.markdown(t("datasets.preview", n=n_items) + f"  \n{shown}")
    if len(labels) < 2:
        st.warning(t("datasets.warning.one_label_only"), icon=":material/warning:")


# --- what there is -------------------------------------------------------------------------------------------------


def _list(found: list[DatasetInfo]) -> None:
    rows = [
        {
            t("datasets.column.name"): dataset.name,
            t("datasets.column.items"): values.number(dataset.n_items),
            t("datasets.column.held_out"): values.number(sum(dataset.manifest["splits"]["held_out"].values())),
            t("datasets.column.labels"): values.number(len(dataset.manifest["labels"])),
            t("datasets.column.created_at"): values.moment(dataset.created_at),
            t("datasets.column.hash"): dataset.content_sha256[:12],
        }
        for dataset in found
    ]
    table(rows, alt=t("datasets.title"), key="datasets-table")


def _one(model: ModelInfo, dataset: DatasetInfo, by_id: dict[str, DatasetInfo]) -> None:
    manifest = dataset.manifest
    skipped = manifest.get("skipped", {})
    numbers = st.columns(4)
    numbers[0].metric(t("datasets.column.items"), values.number(dataset.n_items))
    numbers[1].metric(t("datasets.training_part"), values.number(sum(manifest["splits"]["train"].values())))
    numbers[2].metric(t("datasets.held_out_part"), values.number(sum(manifest["splits"]["held_out"].values())))
    numbers[3].metric(t("datasets.skipped"), values.number(sum(skipped.values())))
    for warning in manifest.get("warnings", []):
        st.warning(t_or(f"datasets.warning.{warning}", warning), icon=":material/warning:")
    left, right = st.columns([1.2, 1])
    with left:
        st.markdown(f"**{t('datasets.by_label')}**")
        names = [label.name for label in model.labels if label.name in manifest["labels"]] or list(manifest["labels"])
        figure = charts.bars([model.label_shown(n) for n in names], [manifest["labels"][n] for n in names],
                             colours=frame.colours())  # fmt: skip
        st.plotly_chart(figure, key="by_label", config={"displayModeBar": False})
    with right:
        _facts(dataset, by_id, skipped)
    _take_away(dataset)


def _facts(dataset: DatasetInfo, by_id: dict[str, DatasetInfo], skipped: dict[str, int]) -> None:
    manifest = dataset.manifest
    lines = [
        t("datasets.made_at", at=values.exact(dataset.created_at)),
        t("datasets.hash", hash=dataset.content_sha256),
        t("datasets.rule", share=values.percent(manifest["held_out_share"], 0)),
    ]
    if manifest.get("first_resolved_at"):
        first, last = (datetime.fromisoformat(manifest[f"{end}_resolved_at"]) for end in ("first", "last"))
        lines.append(t("datasets.resolved", first=values.date(first), last=values.date(last)))
    if dataset.parent_id:
        parent = by_id.get(dataset.parent_id)
        lines.append(t("datasets.follows", name=parent.name if parent else dataset.parent_id))
    for reason, n in skipped.items():
        lines.append(t("datasets.left_out", n=n, reason=t_or(f"datasets.reason.{reason}", reason)))
    st.markdown("\n".join(f"- {line}" for line in lines))
    with st.expander(t("datasets.manifest")):
        st.json(manifest, expanded=False)


def _take_away(dataset: DatasetInfo) -> None:
    places = st.columns([1, 1, 1.4, 3])
    for place, form in zip(places[:2], ("jsonl", "parquet"), strict=True):
        href = f"/v1/datasets/{dataset.id}/download?format={form}"
        place.link_button(form.upper(), href, icon=":material/download:", width="stretch")
    with places[2]:
        frame.link("retraining", t("datasets.retrain"), icon=":material/model_training:", model=dataset.model,
                   dataset=dataset.id)  # fmt: skip
