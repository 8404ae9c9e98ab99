"""The model beside people and beside the truth, by the time of the prediction."""

from __future__ import annotations

import numpy as np

from db.analytics.judged import JudgedPairs
from db.analytics.measure import JudgedMeasure
from db.analytics.values import Values


def _human_ai_agreement(pairs: JudgedPairs) -> Values:
    return pairs.share(pairs.is_equal, np.ones_like(pairs.is_equal))


def _person_person_agreement(pairs: JudgedPairs) -> Values:
    """Both sides are people here: one entry per pair of people who answered about the same subject."""
    return pairs.share(pairs.is_equal, np.ones_like(pairs.is_equal))


def _escape_rate(pairs: JudgedPairs) -> Values:
    """First definition of escape: defective subjects that the model passed, of all defective."""
    return pairs.share(~pairs.says_defect, pairs.is_defect)


def _escape_rate_of_passed(pairs: JudgedPairs) -> Values:
    """Second definition of escape: defective subjects among those that the model passed."""
    return pairs.share(pairs.is_defect, ~pairs.says_defect)


def _overkill_rate(pairs: JudgedPairs) -> Values:
    return pairs.share(pairs.says_defect, ~pairs.is_defect)


MEASURES = (
    JudgedMeasure("human_ai_agreement", "agreement", "share", "down", "line", "people", _human_ai_agreement),
    JudgedMeasure(
        "person_person_agreement", "agreement", "share", "down", "line", "each_other", _person_person_agreement
    ),
    JudgedMeasure("escape_rate", "agreement", "share", "up", "line", "truth", _escape_rate),
    JudgedMeasure("escape_rate_of_passed", "agreement", "share", "up", "line", "truth", _escape_rate_of_passed),
    JudgedMeasure("overkill_rate", "agreement", "share", "up", "line", "truth", _overkill_rate),
)
