"""Single people in comparisons: oneself and, for administrators, everybody by name; for data scientists the others are
numbered inspectors; for everybody else they are people taken together. The same rule as on the Inspectors screen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sqlalchemy.orm import Session

from backend.auth.rules import Principal
from backend.comparisons.schemas import JudgeOut
from backend.errors import NotAllowed, NotFound
from db.analytics.judges import parse_judge
from db.repositories.comparisons import number_people

PEOPLE: Final = ("user:", "person:")
NUMBERED: Final = "inspector:"


def list_people(
    session: Session, me: Principal, model_id: str, judges: Sequence[tuple[str, str | None, int]]
) -> list[JudgeOut]:
    """The single judges that `me` may know of, those with most decisions first; numbered people by their number."""
    numbers = number_people(session, model_id) if me.sees_people == "anonymous" else {}
    shown, hidden = [], []
    for judge, title, n in judges:
        if not judge.startswith(PEOPLE) or judge == me.judge or me.sees_people == "named":
            found = parse_judge(judge)
            shown.append(JudgeOut(judge=judge, kind=found.kind, title=title or found.name, n_decisions=n))
        elif judge in numbers:
            number = numbers[judge]
            hidden.append(JudgeOut(judge=f"{NUMBERED}{number}", kind="inspector", title=str(number), n_decisions=n))
    return [*shown, *sorted(hidden, key=lambda one: int(one.title))]


def find_judge(session: Session, me: Principal, model_id: str, asked: str) -> str:
    """The judge behind what a reader asked for. NotAllowed for a person whom they may not single out."""
    if asked.startswith(NUMBERED):
        if me.sees_people == "team":
            raise _others()
        numbers = number_people(session, model_id)
        found = next((judge for judge, number in numbers.items() if str(number) == asked.removeprefix(NUMBERED)), None)
        if found is None:
            raise NotFound("there is no inspector with this number", code="no_such_judge")
        return found
    if asked.startswith(PEOPLE) and asked != me.judge and me.sees_people != "named":
        raise _others()
    return asked


def _others() -> NotAllowed:
    return NotAllowed("single people are compared by themselves and by administrators alone", code="others_page")
