"""What a worker tells Prometheus about its own work."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

EVALUATION_SECONDS = Histogram(
    "soi_alert_evaluation_seconds",
    "Time of one run over the alert rules that were due",
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30),
)
EVALUATION_FAILURES = Counter("soi_alert_evaluation_failures", "Alert rules whose evaluation failed")
MESSAGES = Counter("soi_outbox_attempts", "Messages that were tried to be sent, by what became of them", ["outcome"])
SEALED_EVENTS = Counter("soi_sealed_events", "Events that this worker moved into the lake")
LOOKED_AT = Gauge("soi_worker_looked_at_seconds", "When this worker last looked at all models, as a Unix time")
CHORE_FAILURES = Counter("soi_worker_chore_failures", "Chores of this worker that failed, by kind", ["chore"])
AUTOMATION_SECONDS = Histogram(
    "soi_automation_round_seconds",
    "Time of one round over the gates of the automation policies",
    buckets=(0.1, 0.5, 1, 2, 5, 10, 30, 60, 120),
)
AUTOMATION_FAILURES = Counter("soi_automation_failures", "Automation policies whose gates could not be evaluated")
AUTOMATION_MOVES = Counter(
    "soi_automation_moves", "Levels and thresholds that a policy changed, by what it did", ["what"]
)
