"""Every setting of Soi, in one object that is built once and passed down. No other module reads the environment."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """All settings come from environment variables named SOI_<NAME>; `soi settings` lists them."""

    model_config = SettingsConfigDict(env_prefix="SOI_", extra="ignore", validate_default=True)

    environment: Literal["development", "production"] = Field(
        "development", description="production refuses weak secrets and plain-http cookies"
    )
    data_dir: Path = Field(Path(".soi"), description="folder of the embedded database, lake and artifacts")
    database_url: str = Field("", description="SQLAlchemy URL; empty: SQLite in data_dir")
    jobs_database_url: str = Field("", description="database of the durable jobs; empty: beside database_url")
    lake_uri: str = Field("", description="folder or bucket of the sealed prediction history; empty: data_dir/lake")
    artifacts_uri: str = Field("", description="folder or bucket of images, sounds and model files; empty: in data_dir")
    datasets_uri: str = Field("", description="folder or bucket of dataset snapshots; empty: in data_dir")

    host: str = Field("127.0.0.1", description="address the server binds to")
    port: int = Field(8300, ge=1, le=65535, description="port of the API and of the screens mounted in it")
    grpc_host: str = Field("127.0.0.1", description="address that gRPC binds to")
    grpc_port: int = Field(
        0, ge=0, le=65535, description="port of the Open Inference Protocol over gRPC (soi[grpc]); 0: not served"
    )
    grpc_shared_port: bool = Field(
        False, description="several API processes of this machine listen on grpc_port; set by soi api --workers"
    )
    ui: bool = Field(True, description="mount the screens in the API process")
    public_url: str = Field("", description="address people use; empty: http://host:port")
    trusted_origins: str = Field("", description="comma-separated origins that may send cookies, beside public_url")
    api_url: str = Field("", description="address the screens call when they run as a service of their own")
    app_key: SecretStr | None = Field(
        None, description="API key (events:write) with which such screens report what they use; empty: not reported"
    )

    session_hours: float = Field(12, gt=0, description="a signed-in session ends after this many hours")
    log_requests_per_minute: int = Field(
        0, ge=0, description="logging requests that one caller may send to one process; 0: as many as they like"
    )
    login_attempts_per_minute: int = Field(10, ge=1, description="sign-in attempts per address and account")
    bootstrap_token: SecretStr | None = Field(
        None, description="one-time token for the first admin; empty: made at start"
    )

    max_body_bytes: int = Field(64 * 2**20, gt=0, description="largest request body of bulk logging")
    max_event_bytes: int = Field(2**20, gt=0, description="largest single event")
    max_artifact_bytes: int = Field(64 * 2**20, gt=0, description="largest image or sound")
    max_model_bytes: int = Field(2 * 2**30, gt=0, description="largest model file")
    max_reference_bytes: int = Field(2**29, gt=0, description="largest file of training data for a drift reference")
    max_image_pixels: int = Field(100_000_000, gt=0, description="largest image in pixels")
    max_audio_seconds: float = Field(3600, gt=0, description="longest sound")
    max_text_bytes: int = Field(2**20, gt=0, description="largest text file")
    event_past_days: int = Field(3650, gt=0, description="events older than this are refused")
    event_future_minutes: int = Field(60, ge=0, description="events further in the future than this are refused")
    idempotency_hours: float = Field(48, gt=0, description="how long a request with the same key gets the same answer")

    seal_rows: int = Field(250_000, gt=0, description="seal a model when it has this many hot events")
    seal_seconds: float = Field(30, gt=0, description="seal a model when its oldest hot event waited this long")
    worker_niceness: int = Field(
        5, ge=0, le=19, description="how far the worker stands back for the API on a machine that both share"
    )
    quarantine_days: int = Field(30, gt=0, description="refused rows are kept readable for this long")

    report_days: int = Field(400, ge=0, description="reports are kept for this many days; 0: for ever")

    automation_seconds: float = Field(
        600, gt=0, description="the gates of automation policies are looked at this often"
    )
    automation_days: int = Field(
        400, gt=0, description="verdicts that moved nothing are kept for this many days; those that did stay"
    )

    torch_threads: int = Field(1, ge=1, description="threads that one model version may use")
    retraining_threads: int = Field(1, ge=1, description="threads that a retraining run may use")
    embeddings_per_day: int = Field(
        100, ge=0, description="images, sounds and texts per model and day that get a vector for drift tests; 0: none"
    )
    shadow_queue: int = Field(
        256, ge=1, description="shadow calls waiting at most; further ones are dropped and counted"
    )
    predict_timeout_s: float = Field(10, gt=0, description="a served prediction fails after this time")
    lease_minutes: float = Field(10, gt=0, description="a claimed review task returns to the queue after this time")

    outgoing_allowed: str = Field(
        "",
        description="comma-separated hosts and networks that webhooks and alert channels may reach although they are "
        "loopback or private",
    )
    outgoing_only_allowed: bool = Field(False, description="webhooks and channels reach nothing but outgoing_allowed")
    outgoing_timeout_s: float = Field(10, gt=0, le=60, description="a message that takes longer is tried again")
    outbox_give_up_hours: float = Field(72, gt=0, description="a message that could not be sent for this long is left")
    outbox_keep_days: int = Field(90, gt=0, description="messages that were sent or given up are kept for this long")
    worker_metrics_host: str = Field("127.0.0.1", description="address of the worker's metrics for Prometheus")
    worker_metrics_port: int = Field(0, ge=0, le=65535, description="port of the worker's metrics; 0: none")

    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="level of the server's log")
    language: Literal["en", "vi"] = Field("en", description="language of people who chose none")

    @model_validator(mode="after")
    def _fill_in(self) -> Settings:
        data = self.data_dir
        self.database_url = self.database_url or f"sqlite:///{data / 'soi.db'}"
        self.lake_uri = self.lake_uri or str(data / "lake")
        self.artifacts_uri = self.artifacts_uri or str(data / "artifacts")
        self.datasets_uri = self.datasets_uri or str(data / "datasets")
        if not self.jobs_database_url:
            embedded = self.database_url.startswith("sqlite")
            self.jobs_database_url = f"sqlite:///{data / 'jobs.db'}" if embedded else self.database_url
        self.public_url = (self.public_url or f"http://{self.host}:{self.port}").rstrip("/")
        if self.environment == "production":
            token = self.bootstrap_token.get_secret_value() if self.bootstrap_token else None
            if token is not None and len(token) < 24:
                raise ValueError("SOI_BOOTSTRAP_TOKEN is too short for production: use at least 24 characters")
        return self

    @property
    def cookies_are_secure(self) -> bool:
        """Whether the session cookie is sent over TLS only."""
        return self.public_url.startswith("https://")
