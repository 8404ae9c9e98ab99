"""The typed client: one attribute per slice. Used by screens, the command line, tests and people's scripts."""

from __future__ import annotations

from typing import Any

import httpx

from backend.alerts.client import AlertsClient
from backend.api_keys.client import ApiKeysClient
from backend.artifacts.client import ArtifactsClient
from backend.audit.client import AuditClient
from backend.auth.client import AuthClient
from backend.automation.client import AutomationClient
from backend.channels.client import ChannelsClient
from backend.comparisons.client import ComparisonsClient
from backend.datasets.client import DatasetsClient
from backend.decisions.client import DecisionsClient
from backend.drift.client import DriftClient
from backend.embeddings.client import EmbeddingsClient
from backend.feedback.client import FeedbackClient
from backend.ground_truth.client import GroundTruthClient
from backend.inference.client import InferenceClient
from backend.ingestion.client import IngestionClient
from backend.jobs.client import JobsClient
from backend.judges.client import JudgesClient
from backend.labelled_data.client import LabelledDataClient
from backend.model_versions.client import ModelVersionsClient
from backend.models.client import ModelsClient
from backend.monitors.client import MonitorsClient
from backend.outbox.client import OutboxClient
from backend.performance.client import PerformanceClient
from backend.pipelines.client import PipelinesClient
from backend.planted_items.client import PlantedItemsClient
from backend.predictions.client import PredictionsClient
from backend.processes.client import ProcessesClient
from backend.reassignments.client import ReassignmentsClient
from backend.reports.client import ReportsClient
from backend.resolutions.client import ResolutionsClient
from backend.retraining.client import RetrainingClient
from backend.review_policies.client import ReviewPoliciesClient
from backend.review_tasks.client import ReviewTasksClient
from backend.rollouts.client import RolloutsClient
from backend.transport import ApiError, Transport
from backend.users.client import UsersClient

__all__ = ["ApiError", "Client"]


class Client:
    """Everything the API can do, typed.

    `token` is a session token or an API key. Pass `http` to use another transport (tests use an in-process one).
    """

    def __init__(
        self, base_url: str = "", token: str | None = None, *, http: Any = None, timeout_s: float = 30
    ) -> None:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._http: httpx.Client = http or httpx.Client(
            base_url=base_url, headers=headers, timeout=timeout_s, trust_env=False
        )
        self.transport = Transport(self._http)
        self.auth = AuthClient(self.transport)
        self.users = UsersClient(self.transport)
        self.api_keys = ApiKeysClient(self.transport)
        self.audit = AuditClient(self.transport)
        self.models = ModelsClient(self.transport)
        self.model_versions = ModelVersionsClient(self.transport)
        self.predictions = PredictionsClient(self.transport)
        self.rollouts = RolloutsClient(self.transport)
        self.automation = AutomationClient(self.transport)
        self.artifacts = ArtifactsClient(self.transport)
        self.monitors = MonitorsClient(self.transport)
        self.drift = DriftClient(self.transport)
        self.alerts = AlertsClient(self.transport)
        self.channels = ChannelsClient(self.transport)
        self.outbox = OutboxClient(self.transport)
        self.performance = PerformanceClient(self.transport)
        self.embeddings = EmbeddingsClient(self.transport)
        self.comparisons = ComparisonsClient(self.transport)
        self.judges = JudgesClient(self.transport)
        self.ingestion = IngestionClient(self.transport)
        self.review_policies = ReviewPoliciesClient(self.transport)
        self.planted_items = PlantedItemsClient(self.transport)
        self.reassignments = ReassignmentsClient(self.transport)
        self.resolutions = ResolutionsClient(self.transport)
        self.review_tasks = ReviewTasksClient(self.transport)
        self.inference = InferenceClient(self.transport)
        self.decisions = DecisionsClient(self.transport)
        self.ground_truth = GroundTruthClient(self.transport)
        self.feedback = FeedbackClient(self.transport)
        self.labelled_data = LabelledDataClient(self.transport)
        self.datasets = DatasetsClient(self.transport)
        self.retraining = RetrainingClient(self.transport)
        self.jobs = JobsClient(self.transport)
        self.processes = ProcessesClient(self.transport)
        self.pipelines = PipelinesClient(self.transport)
        self.reports = ReportsClient(self.transport)

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
