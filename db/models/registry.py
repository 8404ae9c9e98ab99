"""Imports every table once, so that `Base.metadata` is whole; migrations and tests import this."""

from db.base import Base
from db.models import (
    alert,
    automation,
    drift,
    event_log,
    learn,
    model,
    pending,
    performance,
    person,
    pipeline,
    report,
    review,
    review_policy,
    signal,
)

TABLES = (
    alert,
    automation,
    drift,
    event_log,
    learn,
    model,
    pending,
    performance,
    person,
    pipeline,
    report,
    review,
    review_policy,
    signal,
)
metadata = Base.metadata
