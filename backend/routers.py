"""All routers of the API, in the order of the documentation."""

from __future__ import annotations

from fastapi import APIRouter

from backend.alerts.router import router as alerts
from backend.api_keys.router import router as api_keys
from backend.artifacts.router import router as artifacts
from backend.artifacts.router import uploads
from backend.audit.router import router as audit
from backend.auth.router import public as auth_public
from backend.auth.router import router as auth
from backend.automation.router import router as automation
from backend.channels.router import router as channels
from backend.comparisons.router import router as comparisons
from backend.datasets.router import router as datasets
from backend.decisions.router import router as decisions
from backend.drift.router import router as drift
from backend.embeddings.router import router as embeddings
from backend.embeddings.router import uploads as embedding_uploads
from backend.feedback.router import router as feedback
from backend.feedback.router import stored as stored_feedback
from backend.ground_truth.router import router as ground_truth
from backend.inference.router import router as inference
from backend.ingestion.router import router as ingestion
from backend.jobs.router import router as jobs
from backend.judges.router import router as judges
from backend.labelled_data.router import router as labelled_data
from backend.model_versions.router import router as model_versions
from backend.models.router import router as models
from backend.monitors.router import measures
from backend.monitors.router import router as monitors
from backend.oip.router import public as oip_health
from backend.oip.router import router as oip
from backend.outbox.router import router as outbox
from backend.performance.router import router as performance
from backend.pipelines.otlp_router import router as otlp
from backend.pipelines.router import router as pipelines
from backend.pipelines.traces_router import router as traces
from backend.planted_items.router import router as planted_items
from backend.predictions.router import notices, quarantine
from backend.predictions.router import router as predictions
from backend.predictions.router import stored as stored_predictions
from backend.processes.router import router as processes
from backend.reassignments.router import router as reassignments
from backend.reports.router import router as reports
from backend.reports.router import schedule_router as report_schedules
from backend.resolutions.router import router as resolutions
from backend.retraining.router import router as retraining
from backend.review_policies.router import router as review_policies
from backend.review_tasks.router import router as review_tasks
from backend.rollouts.router import router as rollouts
from backend.status.router import router as status
from backend.users.router import router as users

ALL: tuple[APIRouter, ...] = (
    predictions,  # first: routes are matched in order, and this one is asked for most
    status,
    auth_public,
    auth,
    users,
    api_keys,
    audit,
    models,
    model_versions,
    rollouts,
    automation,
    artifacts,
    uploads,
    review_tasks,
    review_policies,
    planted_items,
    reassignments,
    resolutions,
    stored_predictions,
    quarantine,
    notices,
    inference,
    oip_health,
    oip,
    decisions,
    ground_truth,
    feedback,
    stored_feedback,
    measures,
    monitors,
    drift,
    alerts,
    channels,
    outbox,
    performance,
    embeddings,
    embedding_uploads,
    comparisons,
    judges,
    ingestion,
    labelled_data,
    datasets,
    retraining,
    jobs,
    processes,
    pipelines,
    traces,
    otlp,
    reports,
    report_schedules,
)
