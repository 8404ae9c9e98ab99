"""Imports every table once, so that `Base.metadata` is whole; migrations and tests import this."""

from db.base import Base
from db.models import event_log, learn, model, person, review

TABLES = (event_log, learn, model, person, review)
metadata = Base.metadata
