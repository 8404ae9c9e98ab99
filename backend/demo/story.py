"""What happens on the demonstration line: when, where and how strongly. Everything planted is declared here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

from backend.demo.defects import DEFECTS

MODEL = "pcb-inspection"
#: The step before it, and the chain of both.
LOCATOR, PIPELINE = "pcb-locator", "board-line"
LABELS = ("ok", *DEFECTS)
LINES = ("L1", "L2", "L3")
SHIFTS = ("A", "B", "C")
#: Name and colour of the board types; the layout follows from the seed.
BOARDS = (("PX-100", "green", 100), ("PX-210", "dark", 104), ("PX-330", "blue", 108), ("PX-400", "green", 110))
#: The factory's clock.
ZONE = timezone(timedelta(hours=7))
#: Share of boards with a defect.
DEFECT_RATE = 0.14
#: Version -> share of each kind of answer time; medians in milliseconds.
LATENCY_MS = {"1.0": 38.0, "1.1": 81.0, "2.0": 41.0}
LOCATOR_MS = 11.0
#: Inputs that the step before sees too: a pipeline says what came in from outside by them.
LOCATOR_INPUTS = ("brightness", "contrast", "exposure_ms", "belt_speed")
#: Inspector -> (name, share of wrong answers, median seconds per item).
INSPECTORS = {
    "an": ("Nguyễn Văn An", 0.02, 3.1),
    "binh": ("Trần Thị Bình", 0.04, 4.2),
    "chi": ("Lê Minh Chi", 0.09, 2.3),
}
DARKEST = 0.78


@dataclass(frozen=True, slots=True)
class Story:
    """The month's plot, laid out over `days` that end at `end`."""

    end: datetime
    days: int = 30

    @property
    def start(self) -> datetime:
        """Midnight in the factory, `days` before the end's day."""
        midnight = self.end.astimezone(ZONE).replace(hour=0, minute=0, second=0, microsecond=0)
        return (midnight - timedelta(days=self.days - 1)).astimezone(UTC)

    def at(self, share: float, hour: float = 0.0) -> datetime:
        """An hour of the day that lies at a share of the month."""
        return self.start + timedelta(days=round(share * (self.days - 1)), hours=hour)

    @property
    def camera_fault(self) -> tuple[str, datetime, datetime]:
        """Line, start and end of the hours in which its camera gave nothing."""
        return "L3", self.at(12 / 30, 13), self.at(12 / 30, 16.5)

    @property
    def shadow_start(self) -> datetime:
        """From here on version 2.0 answers in shadow."""
        return self.at(14 / 30, 9)

    @property
    def drift_start(self) -> tuple[str, datetime]:
        """Line and time from which its lamp grows weaker, day by day."""
        return "L2", self.at(18 / 30, 6)

    @property
    def slow_release(self) -> tuple[datetime, datetime]:
        """When version 1.1 was champion: rolled out, and rolled back two days later."""
        begun = self.at(22 / 30, 10)
        return begun, begun + timedelta(days=min(2.0, self.days / 15))

    @property
    def sensor_gap(self) -> tuple[str, datetime]:
        """Line and time from which a third of its temperatures are missing."""
        return "L1", self.at(25 / 30, 6)

    @property
    def tracing_start(self) -> datetime:
        """From here on the way of each board is traced: found in the picture, then inspected."""
        return self.at(20 / 30, 0)

    def light(self, line: str, at: datetime) -> float:
        """How strong the lamp over a line is: 1 is as it should be."""
        drifting, begun = self.drift_start
        if line != drifting or at < begun:
            return 1.0
        share = (at - begun) / max(self.end - begun, timedelta(hours=1))
        return 1.0 - (1.0 - DARKEST) * min(1.0, share * 1.15)

    def champion(self, at: datetime) -> str:
        """The version whose answer callers got."""
        begun, ended = self.slow_release
        return "1.1" if begun <= at < ended else "1.0"
