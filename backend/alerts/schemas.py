"""Shapes of alert rules, their states, incidents, silences, and what a rule would have raised."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, model_validator

from backend.shapes import Input, Moment, Output, Reason, Slug, Title

State = Literal["ok", "warning", "alert", "no_data"]
Severity = Literal["low", "medium", "high"]
Verdict = Literal["true", "false", "benign"]
NoData = Literal["keep", "ok", "alert", "no_data"]
Id = Annotated[str, StringConstraints(min_length=1, max_length=36)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Limit = Annotated[float | None, Field(ge=-1e12, le=1e12)]
_DAY = 86_400


class RuleCondition(Input):
    """When a value is a reason to warn (`warning`) or to alert (`alert`).

    threshold: the value is `direction` a limit. change: it moved by more than a limit against the `previous` period
    or the median of the same hour in `weeks` past weeks; `mode` relative (0.5 = 50 %) or absolute. burn_rate: errors
    use up the budget of an `objective` so many times faster than allowed, in the rule's window and in
    `short_window_s`. drift: the drift verdict of `features` (empty: any). `is_cautious`: compare the near end of the
    95 % interval.
    """

    kind: Literal["threshold", "change", "burn_rate", "drift"]
    direction: Literal["above", "below", "either"] = "above"
    warning: Limit = None
    alert: Limit = None
    against: Literal["previous", "past_weeks"] = "previous"
    weeks: int = Field(4, ge=1, le=8)
    mode: Literal["absolute", "relative"] = "relative"
    is_cautious: bool = False
    objective: float = Field(0.999, gt=0, lt=1)
    short_window_s: int = Field(300, ge=300, le=_DAY)
    features: list[Name] = Field(default_factory=list, max_length=200)

    @model_validator(mode="after")
    def _makes_sense(self) -> RuleCondition:
        if self.kind != "drift" and self.warning is None and self.alert is None:
            raise ValueError("give a limit: warning, alert or both")
        if self.kind == "threshold" and self.direction == "either":
            raise ValueError("a threshold is above or below")
        if self.warning is not None and self.alert is not None:
            is_below = self.kind == "threshold" and self.direction == "below"
            if (self.alert > self.warning) if is_below else (self.alert < self.warning):
                raise ValueError("the limit of the alert lies before the limit of the warning")
        if self.kind in ("change", "burn_rate") and min(self.warning or 0, self.alert or 0) < 0:
            raise ValueError("a change and a burn rate have limits that are not negative; use direction")
        return self


class RuleIn(Input):
    """A rule. `model` null: every model; `each`: one state per "version" or per value of "segment:<key>".

    Windows of `window_s` seconds end every `every_s` (default by the window), `offset_s` behind the clock, so that
    late data is in. Fewer than `min_n` events, pairs or, for counts, requests in what they are compared with are no
    data. A level must last `hold_s` before it fires and be gone for `clear_s` before it ends.
    """

    name: Title
    model: Slug | None = None
    measure: Annotated[str, StringConstraints(min_length=1, max_length=100)]
    version: Annotated[str, StringConstraints(min_length=1, max_length=100)] | None = None
    segment_key: Annotated[str, StringConstraints(min_length=1, max_length=100)] | None = None
    segment_value: Name | None = None
    each: Annotated[str, StringConstraints(max_length=120, pattern=r"^(version|segment:.+)?$")] = ""
    window_s: int = 3600
    every_s: int | None = None
    offset_s: int = Field(60, ge=0, le=7 * _DAY)
    condition: RuleCondition
    min_n: int = Field(50, ge=0, le=10**9)
    hold_s: int = Field(300, ge=0, le=7 * _DAY)
    clear_s: int = Field(600, ge=0, le=7 * _DAY)
    renotify_s: int = Field(_DAY, ge=0, le=30 * _DAY)
    no_data: NoData = "no_data"
    severity: Severity = "medium"
    channel_ids: Annotated[list[Id], Field(max_length=50)] | None = None
    is_enabled: bool = True

    @model_validator(mode="after")
    def _segment_is_whole(self) -> RuleIn:
        if (self.segment_key is None) != (self.segment_value is None):
            raise ValueError("a segment is a key and a value")
        if self.each.startswith("segment:") and self.segment_key is not None:
            raise ValueError("one segment, or one state per value of a segment key, not both")
        if self.each == "version" and self.version is not None:
            raise ValueError("one version, or one state per version, not both")
        return self


class Precision(Output):
    """What people found of a rule's incidents. `precision` is the share of true ones among those judged, with its
    95 % interval (Wilson); benign ones were real changes that did no harm."""

    n_incidents: int = 0
    n_true: int = 0
    n_false: int = 0
    n_benign: int = 0
    precision: float | None = None
    lower: float | None = None
    upper: float | None = None


class RuleOut(Output):
    """A rule with where it stands. `title_key` is there for default rules that kept their name."""

    id: str
    name: str
    title_key: str | None
    model: str | None
    measure: str
    unit: str
    version: str | None
    segment_key: str | None
    segment_value: str | None
    each: str
    window_s: int
    every_s: int
    offset_s: int
    condition: RuleCondition
    min_n: int
    hold_s: int
    clear_s: int
    renotify_s: int
    no_data: NoData
    severity: Severity
    channel_ids: list[str] | None
    is_enabled: bool
    template: str | None
    created_by: str
    created_at: datetime
    changed_at: datetime
    evaluated_at: datetime | None
    state: State | None
    is_failing: bool
    people_said: Precision


class SeriesStateOut(Output):
    """Where one series of a rule stands, and what it was when it was last looked at."""

    model: str
    series: str
    state: State
    since: datetime
    value: float | None
    n: float
    reason: str | None
    evaluated_at: datetime


class BatchOut(Output):
    """A review batch opened for an incident: how many items by stratum, out of how many."""

    n_tasks: int
    n_population: int
    by_stratum: dict[str, int]
    opened_by: str
    opened_at: datetime


class IncidentOut(Output):
    """One firing. `peak` is the worst value, seen in [window_start, window_end); `link` is the screen with its rows;
    `kind` failure: the rule could not be evaluated, and `reason` says why."""

    id: str
    rule_id: str
    rule_name: str
    title_key: str | None
    model: str
    series: str
    series_of: str
    number: int
    kind: Literal["rule", "failure"]
    state: Literal["warning", "alert"]
    severity: Severity
    measure: str
    unit: str
    condition: dict[str, Any]
    opened_at: datetime
    closed_at: datetime | None
    end_reason: str | None
    peak: float | None
    reference: float | None
    n: float
    window_start: datetime
    window_end: datetime
    reason: str | None
    acknowledged_by: str | None
    acknowledged_at: datetime | None
    verdict: Verdict | None
    verdict_by: str | None
    verdict_at: datetime | None
    verdict_comment: str | None
    batch: BatchOut | None
    is_silenced: bool
    link: str


class IncidentPage(Output):
    """Incidents, newest first (open ones: worst first). Send `next_cursor` back for the following ones."""

    items: list[IncidentOut]
    next_cursor: str | None = None


class VerdictIn(Input):
    """What people found: true (something was wrong), false (nothing was), benign (a real change without harm)."""

    verdict: Verdict
    comment: Annotated[str, StringConstraints(max_length=2000)] = ""


class BatchIn(Input):
    """A review batch of about `n` items from the rows behind the incident."""

    n: int = Field(60, ge=5, le=2000)


class SilenceIn(Input):
    """Tell nothing of a rule, a model, or both null: of anything, until `ends_at`."""

    rule_id: Id | None = None
    model: Slug | None = None
    starts_at: Moment | None = None
    ends_at: Moment
    reason: Reason


class SilenceOut(Output):
    id: str
    rule_id: str | None
    model: str | None
    starts_at: datetime
    ends_at: datetime
    reason: str
    created_by: str
    created_at: datetime


class RuleTry(Input):
    """A rule, saved or not, to be tried on the past `days` of one model (the rule's own, unless it is for every
    one)."""

    rule: RuleIn
    model: Slug | None = None
    days: int = Field(90, ge=1, le=366)


class RaisedOut(Output):
    """An incident that the rule would have raised; `reason` is the code of the drift verdict, if it has one."""

    series: str
    state: Literal["warning", "alert"]
    opened_at: datetime
    closed_at: datetime | None
    peak: float | None
    reference: float | None
    n: float
    window_start: datetime
    window_end: datetime
    n_messages: int
    reason: str | None = None


class TryLine(Output):
    """What a series was: its value and level at the end of each window, thinned for a chart."""

    series: str
    at: list[datetime]
    value: list[float | None]
    reference: list[float | None]


class TryOut(Output):
    """What a rule would have raised. `share_no_data` is the share of windows with too little data to judge."""

    model: str
    measure: str
    unit: str
    start: datetime
    end: datetime
    n_windows: int
    share_no_data: float
    n_incidents: int
    n_alerts: int
    hours_firing: float
    raised: list[RaisedOut]
    lines: list[TryLine]
    duration_ms: float


class WatchdogOut(Output):
    """Whether somebody looks at the rules. stopped: no run for longer than `after_s`, so nothing here is current."""

    state: Literal["ok", "stopped", "never"]
    evaluated_at: datetime | None
    worker: str | None
    after_s: float
    n_rules: int
    n_series: int
    n_failed: int
    duration_ms: float
    n_waiting_messages: int
    n_given_up_messages: int
