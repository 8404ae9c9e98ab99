"""The calling side of judging the judges."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from backend.judges.schemas import AttributeAgreement, CalibrationSet, Consensus, InspectorPage, Standard
from backend.transport import Transport

PATH = "/v1/judges"


class JudgesClient:
    """How good and how alike a model's people are. `standard` is what they are held against: "independent" labels,
    or "settled" ones as well."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def agreement(
        self, model: str, start: datetime, end: datetime, *, standard: Standard = "independent"
    ) -> AttributeAgreement:
        """Attribute agreement with verdicts: by name, by letter or of the team, as one's role may see it."""
        return self._transport.get(f"{PATH}/agreement", AttributeAgreement, **_asked(model, start, end, standard))

    def inspector(
        self,
        model: str,
        start: datetime,
        end: datetime,
        *,
        judge: str | None = None,
        standard: Standard = "independent",
    ) -> InspectorPage:
        """One's own page; somebody else's ("user:<id>") for administrators."""
        asked = _asked(model, start, end, standard)
        return self._transport.get(f"{PATH}/inspector", InspectorPage, **asked, judge=judge)

    def consensus(
        self,
        model: str,
        start: datetime,
        end: datetime,
        *,
        standard: Standard = "independent",
        show: str = "ties",
        after: str | None = None,
        limit: int = 100,
    ) -> Consensus:
        """Majority beside Dawid-Skene; `show` lists "ties", "different" (the two differ) or "all" subjects."""
        asked = _asked(model, start, end, standard)
        return self._transport.get(f"{PATH}/consensus", Consensus, **asked, show=show, after=after, limit=limit)

    def calibration(
        self, model: str, start: datetime, end: datetime, *, n_pairs: int = 5, n_examples: int = 4
    ) -> CalibrationSet:
        """The labels that people mix up most, with examples."""
        asked = _asked(model, start, end, "independent")
        return self._transport.get(
            f"{PATH}/calibration", CalibrationSet, **asked, n_pairs=n_pairs, n_examples=n_examples
        )


def _asked(model: str, start: datetime, end: datetime, standard: Standard) -> dict[str, Any]:
    return {"model": model, "start": start.isoformat(), "end": end.isoformat(), "standard": standard}
