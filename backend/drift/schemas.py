"""Shapes of drift: references, settings, the report of a window, features over time, histograms and examples."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from backend.shapes import Input, Moment, Output, Title

Verdict = Literal["ok", "drifted", "negligible", "insufficient", "failed"]
ReferenceKind = Literal["window", "upload", "weeks"]


class ReferenceCreate(Input):
    """A reference to freeze: the events of [start, end), or (kind "weeks") the same hours of the past weeks."""

    model: Annotated[str, Field(min_length=1, max_length=100)]
    name: Title | None = None
    kind: Literal["window", "weeks"] = "window"
    start: Moment | None = None
    end: Moment | None = None
    version: Annotated[str, Field(max_length=100)] | None = None
    weeks: Annotated[int, Field(ge=1, le=12)] = 4
    make_current: bool = True

    @model_validator(mode="after")
    def _check_window(self) -> ReferenceCreate:
        if self.kind == "window" and (self.start is None or self.end is None or self.start >= self.end):
            raise ValueError("a window needs a start before its end")
        return self


class ReferencePatch(Input):
    """Make a reference the current one, or give it another name."""

    is_current: Literal[True] | None = None
    name: Title | None = None


class ReferenceOut(Output):
    """A frozen reference. `number` is its version; `progress` 0..1 is how much history is counted on its bins, and
    while that is below 1 only windows from `counted_from_at` on are whole. `notes` names odd columns: all_null,
    constant, infinite. `left_out` are columns of an uploaded file that are no features of the model."""

    id: str
    model: str
    number: int
    name: str
    kind: ReferenceKind
    is_current: bool
    n_rows: int
    features: list[str]
    notes: dict[str, str]
    left_out: list[str]
    start: datetime | None
    end: datetime | None
    weeks: int | None
    version: str | None
    state: Literal["counting", "ready"]
    progress: float
    counted_from_at: datetime | None
    created_by: str
    created_at: datetime


class DriftSettingsShape(Output):
    """At most `alarms_per_month` false alarms of a model; differences below `floor_sigma` are negligible; `window_s`
    is the length of the windows that are watched."""

    model: str
    alarms_per_month: float
    floor_sigma: float
    window_s: int


class DriftSettingsPatch(Input):
    """Changes to a model's drift settings."""

    alarms_per_month: Annotated[float, Field(ge=0.01, le=100)] | None = None
    floor_sigma: Annotated[float, Field(ge=0, le=2)] | None = None
    window_s: Annotated[int, Field(ge=3_600, le=2_592_000, multiple_of=3_600)] | None = None


class BinOut(Output):
    """A bin with its share on both sides. `text` is a category, "other", "unseen" or "null"; numbers lie in
    (low, high]. `part` is its share of the whole difference."""

    bin: int
    text: str
    low: float | None
    high: float | None
    reference: float | None
    current: float | None
    part: float | None = None


class ConsequenceOut(Output):
    """How often people found the model wrong inside the drifted bins against outside; bounds of the rise (95 %)."""

    verdict: Literal["harmful", "benign", "unknown"]
    n_inside: int
    n_outside: int
    error_inside: float | None
    error_outside: float | None
    low: float | None
    high: float | None


class FeatureOut(Output):
    """One feature in one window; see backend.drift.verdicts.FeatureVerdict for what each number is. `js` is to the
    natural logarithm; `wasserstein` in robust sigma of the reference (IQR / 1.349)."""

    feature: str
    kind: Literal["number", "category"]
    verdict: Verdict
    reason: str | None
    direction: Literal["up", "down"] | None
    n_reference: int
    n_current: int
    null_rate_reference: float | None
    null_rate_current: float | None
    p_value: float | None
    p_adjusted: float | None
    shift_sigma: float | None
    visible_sigma: float | None
    n_needed: int | None
    psi: float | None
    psi_critical: float | None
    js: float | None
    hellinger: float | None
    tvd: float | None
    l_infinity: float | None
    ks: float | None
    ks_p: float | None
    ks_is_exact: bool
    wasserstein: float | None
    chi_square: float | None
    chi_square_df: int | None
    chi_square_p: float | None
    cramers_v: float | None
    cramers_v_corrected: float | None
    sigma: dict[str, float]
    moved: list[BinOut]
    consequence: ConsequenceOut | None = None


class DriftReport(Output):
    """All features of a window, what needs a look first. `start` and `end` are the whole hours that were counted;
    `is_whole` is false while history of the window is still being counted; `alpha` is the level of this window."""

    model: str
    reference: ReferenceOut
    start: datetime
    end: datetime
    is_whole: bool
    alpha: float
    alarms_per_month: float
    floor_sigma: float
    n_drifted: int
    features: list[FeatureOut]


class FeatureLine(Output):
    """One feature over time, parallel to the series' `bucket_at`; null where nothing was logged."""

    feature: str
    verdict: list[Verdict | None]
    shift_sigma: list[float | None]
    p_adjusted: list[float | None]
    n: list[int]


class DriftSeries(Output):
    """All features over time on one reference."""

    model: str
    reference: ReferenceOut
    start: datetime
    end: datetime
    grain_s: int
    alpha: float
    floor_sigma: float
    bucket_at: list[datetime]
    features: list[FeatureLine]


class FeatureDetail(Output):
    """One feature in one window with its histogram and, where few rows allow, the exact test. `bars` are what a
    person sees; `bins` the coarse bins that the verdict rests on."""

    model: str
    reference: ReferenceOut
    start: datetime
    end: datetime
    feature: FeatureOut
    bars: list[BinOut]
    bins: list[BinOut]


class Example(Output):
    """A logged prediction whose value lies in a moved bin."""

    event_id: str
    happened_at: datetime
    subject_id: str | None
    version: str
    role: str
    prediction: str | None
    score: float | None
    value: Any


class Examples(Output):
    """Newest predictions of the moved bins."""

    model: str
    feature: str
    bins: list[int]
    rows: list[Example]


class Multivariate(Output):
    """All features at once: a classifier that tells current from reference rows (out of fold), and the maximum mean
    discrepancy with its permutation p-value (k + 1) / (R + 1)."""

    model: str
    reference: ReferenceOut
    start: datetime
    end: datetime
    n_reference: int
    n_current: int
    auc: float
    auc_p: float
    shift_sigma: float
    mmd2: float
    mmd2_p: float
    n_permutations: int
