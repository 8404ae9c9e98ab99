"""The long-lived objects of one process: made at start, closed at stop, handed to routers through backend.deps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backend.settings import Settings
from db.engine import Database
from db.eventlog.limits import DoorLimits

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from backend.auth.service import Authenticator
    from backend.inference.service import Inference
    from backend.processes.sampling import Sampler
    from db.analytics.answers import JudgedAnswers
    from db.analytics.outcomes import Outcomes
    from db.artifact_store import ArtifactStore
    from db.eventlog.log import EventLog

#: Four times the worker's: a request waits for its commit, and should seldom pay for writing the worker's pages back.
CHECKPOINT_PAGES = 4000


class Services:
    """Settings, database, event log, artifact store, authenticator and the loaded models."""

    def __init__(self, settings: Settings) -> None:
        from backend.auth.service import Authenticator
        from backend.inference.service import Inference
        from backend.processes.sampling import Sampler, store_in
        from backend.status.metrics import registry_of
        from db.analytics.answers import JudgedAnswers
        from db.analytics.outcomes import Outcomes
        from db.artifact_store import ArtifactStore
        from db.eventlog.log import EventLog

        self.settings = settings
        self.database = Database(settings.database_url, checkpoint_pages=CHECKPOINT_PAGES)
        self.metrics: CollectorRegistry = registry_of(self.database)
        self.artifacts: ArtifactStore = ArtifactStore(settings.artifacts_uri)
        self.eventlog: EventLog = EventLog(self.database, settings.lake_uri, limits=door_limits(settings))
        self.answers: JudgedAnswers = JudgedAnswers(self.eventlog)
        self.outcomes: Outcomes = Outcomes(self.eventlog, self.answers.knowledge)
        self.authenticator: Authenticator = Authenticator(self.database, settings)
        self.inference: Inference = Inference(self.database, self.artifacts, self.eventlog, settings)
        self.sampler: Sampler = Sampler("api", settings.data_dir, self._gauges, store_in(self.database))

    def start(self) -> None:
        """Check durability and start the committing thread. Raises before anything is served."""
        self.database.check_durability()
        self.eventlog.start()
        self.sampler.start()

    def stop(self) -> None:
        """Finish what was accepted, then close."""
        self.sampler.stop()
        self.inference.close()
        self.eventlog.close()
        self.database.dispose()

    def _gauges(self) -> dict[str, float]:
        writer, shadows = self.eventlog.writer, self.inference.shadows
        return {
            "n_commit_waiting": writer.n_waiting,
            "n_events": writer.n_events,
            "n_commits": writer.n_commits,
            "n_shadow_waiting": shadows.n_waiting,
            "n_shadow_drops": shadows.n_dropped,
        }


def door_limits(settings: Settings) -> DoorLimits:
    """The limits that every event is held to, from the settings."""
    return DoorLimits(settings.max_event_bytes, settings.event_past_days, settings.event_future_minutes)
