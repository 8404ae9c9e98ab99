"""All features of a window at once, from rows: the kept sample of the reference against a sample of the window."""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from backend.drift import schemas
from backend.drift.multivariate import classify_domains, permute_mmd, standardise
from backend.drift.references import SAMPLE_ROWS, read_reference
from backend.drift.service import Question
from backend.drift.verdicts import MIN_ROWS
from backend.errors import Invalid
from db.analytics.feature_rows import sample_rows
from db.engine import Database
from db.eventlog.feature_bins import as_numbers
from db.eventlog.feature_profile import Profile
from db.eventlog.feature_store import profiles
from db.eventlog.log import EventLog
from db.eventlog.schema import spec_of
from db.repositories import drift_references

Floats = npt.NDArray[np.float64]


def compare_together(
    database: Database, eventlog: EventLog, question: Question, *, seed: int = 0
) -> schemas.Multivariate:
    """Domain classifier and maximum mean discrepancy; Invalid when either side has too few rows."""
    with database.read() as session:
        profile = profiles(session, [question.reference.id])[question.reference.id]
        blob = drift_references.sample_of(session, question.reference.id)
    spec = spec_of(question.model)
    import pyarrow.parquet as pq

    reference = pq.read_table(io.BytesIO(blob))
    columns = [name for name in profile.columns if spec.stored.get_field_index(name) >= 0]
    current, _ = sample_rows(eventlog, spec, question.start, question.end, columns, question.chosen, SAMPLE_ROWS)
    for side, n_rows in (("reference", reference.num_rows), ("window", current.num_rows)):
        if n_rows < MIN_ROWS:
            raise Invalid(f"the {side} has {n_rows} rows: it takes {MIN_ROWS} or more", code="too_few_rows")
    x, y = (as_matrix(profile, table, columns) for table in (reference, current))
    is_category = np.array([bins.kind == "category" for bins in profile.features if bins.column in columns])
    domains = classify_domains(x, y, is_category=is_category, seed=seed)
    discrepancy = permute_mmd(*standardise(x, y), np.random.default_rng(seed))
    return schemas.Multivariate(
        model=question.model.name,
        reference=read_reference(question.reference, question.model),
        start=question.start,
        end=question.end,
        n_reference=domains.n_reference,
        n_current=domains.n_current,
        auc=domains.auc,
        auc_p=domains.p_value,
        shift_sigma=domains.shift_sigma,
        mmd2=discrepancy.mmd2,
        mmd2_p=discrepancy.p_value,
        n_permutations=discrepancy.n_permutations,
    )


def as_matrix(profile: Profile, table: pa.Table, columns: list[str]) -> Floats:
    """Rows x features: numbers as they are (infinities clipped), categories as the number of their bin, null NaN."""
    found = []
    for bins in profile.features:
        if bins.column not in columns:
            continue
        column = table.column(bins.column)
        if bins.kind == "number":
            found.append(np.clip(as_numbers(column), -1e300, 1e300))
        else:
            codes = bins.codes(column).astype(np.float64)
            found.append(np.where(codes == bins.null_bin, np.nan, codes))
    return np.stack(found, axis=1)
