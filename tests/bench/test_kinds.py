"""Rows, texts and sounds at the bench in a real browser, by keyboard alone; and who sees the AI answer when."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.bench.browser import Desk
from tests.bench.kinds import SECRET, Work, defects, letters, loans, speech
from tests.bench.line import Line, Server

pytestmark = pytest.mark.browser
SitDown = Callable[..., Desk]
LOAN = {"income": 31_000.5, "debt": -4.0, "age": 33, "housing": "boat", "has_guarantor": True}


@pytest.fixture
def line(server: Server) -> Line:
    """The line with an empty queue."""
    server.line.clear_tasks()
    return server.line


def said(work: Work) -> list[tuple[str, str, str | None, str]]:
    """(subject, verb, label, what had been seen) of each answer in force, in order."""
    rows = [row for row in work.decisions() if row.superseded_by is None]
    return [(row.subject_id, row.verb, row.label, row.seen) for row in rows]


def leaks(desk: Desk, subject: str = "") -> bool:
    """Whether the machine's answer (about this subject) went over the network to this person."""
    return any(subject in body and (SECRET in body or "0.918273" in body) for body in desk.bodies)


def test_rows_are_decided_by_keyboard_and_identical_ones_together(line: Line, sit_down: SitDown) -> None:
    work = loans(line)
    work.label("old-1", "refuse", {**LOAN, "age": 34})
    names = [f"loan-{number}" for number in range(6)]
    work.add(names, [{"inputs": LOAN}, *[{"inputs": {**LOAN, "age": 50}}] * 4, {"inputs": {**LOAN, "age": 51}}])
    desk = sit_down("rows").open("/inspect?model=loans")
    assert desk.page.locator('.cell[data-state="outside"] dt').all_inner_texts() == ["debt", "housing"]
    assert "Refuse" in desk.page.locator(".neighbours").inner_text()
    desk.press("1")
    assert desk.subject() == "loan-1"
    desk.page.keyboard.press("b")
    assert desk.part("bulk").startswith("Answering this and 3 identical rows")
    desk.press("2")
    assert desk.subject() == "loan-5"
    desk.wait_unsent(0)
    expected = [("loan-0", "label", "grant", "blind"), *((name, "label", "refuse", "blind") for name in names[1:5])]
    assert sorted(said(work)) == expected
    desk.press("z")
    desk.wait_unsent(0)
    assert (desk.subject(), said(work)) == ("loan-1", expected[:1])
    assert not leaks(desk)


def test_texts_are_decided_by_digits_with_marked_words_and_a_held_key_decides_once(
    line: Line, sit_down: SitDown
) -> None:
    work = letters(line)
    text = "My parcel has not arrived."
    inputs = {"text": text, "highlights": json.dumps([{"start": 3, "end": 9, "label": "thing"}])}
    work.add([f"letter-{number}" for number in range(5)], [{"text": text, "inputs": inputs}] * 5)
    desk = sit_down("texts").open("/inspect?model=letters")
    desk.page.locator(".reading mark", has_text="parcel").wait_for()
    desk.page.keyboard.press("l")
    assert desk.page.locator(".reading mark").count() == 0
    for _ in range(10):
        desk.page.keyboard.down("2")
        desk.page.wait_for_timeout(40)
    desk.page.keyboard.up("2")
    desk.press("3")
    desk.wait_unsent(0)
    assert said(work) == [("letter-0", "label", "payment", "blind"), ("letter-1", "label", "quality", "blind")]


def test_any_of_fourteen_classes_is_given_by_typing_a_part_of_its_name(line: Line, sit_down: SitDown) -> None:
    work = defects(line)
    text = {"text": "Camera 2 sees a gap.", "inputs": {"text": "Camera 2 sees a gap."}}
    work.add([f"gap-{number}" for number in range(5)], [text] * 5)
    desk = sit_down("many", language="vi").open("/inspect?model=defects")
    page = desk.page
    assert page.locator(".bench .verbs .classes button").count() == 11
    for _ in range(4):  # the key that opens the list is held
        page.keyboard.down("y")
        page.wait_for_timeout(40)
    page.keyboard.up("y")
    page.keyboard.type("ho ma")  # without an input method
    desk.press("Enter")
    page.keyboard.press("f")  # of the defects
    page.keyboard.type("lo")
    assert page.locator(".choices.found .choice").count() == 10
    page.keyboard.press("ArrowUp")  # the last of them
    desk.press("Enter")
    page.keyboard.press("y")
    page.keyboard.type("nothing of the kind")
    page.keyboard.press("Enter")
    page.get_by_text("Không có loại nào tên như vậy").wait_for()
    page.keyboard.press("Escape")
    desk.press("j")
    desk.press("2")
    desk.wait_unsent(0)
    assert [label for _, _, label, _ in said(work)] == ["open", "hole", "ok", "fault-1"]


def test_sounds_are_played_and_written_down_by_keyboard_with_hypotheses_after_the_own_transcript(
    line: Line, sit_down: SitDown, data_folder: Callable[[str], Path]
) -> None:
    recordings = sorted((data_folder("fsdd") / "recordings").glob("7_*_1*.wav"))[:2]
    work = speech(line)
    items = [{"artifact": work.add_sound(path), "inputs": {"vad": "[[0.05, 0.2]]"}} for path in recordings]
    answers = [{"version": "v1", "prediction": SECRET}, {"version": "v2", "prediction": "seven"}]
    work.add(["call-0", "call-1"], items, mode="assist", answers=answers)
    desk = sit_down("sounds").open("/inspect?model=speech")
    whole = desk.page.locator(".sheet .time")
    assert whole.inner_text().startswith("0.00 / 0.")
    desk.page.keyboard.press("Space")
    desk.wait_until(lambda: not whole.inner_text().startswith("0.00"), "the sound plays", desk.page)
    desk.page.keyboard.press("d")
    desk.wait_until(lambda: whole.inner_text().endswith("1.25×"), "faster", desk.page)
    desk.page.keyboard.press("o")
    desk.page.keyboard.type("seven of")  # letters and spaces are text now
    assert not leaks(desk)
    desk.page.keyboard.press("Enter")
    desk.page.locator(".choice-card").nth(1).wait_for()
    cards = desk.page.locator(".choice-card").all_inner_texts()
    assert not any(version in card for card in cards for version in ("v1", "v2"))
    place = next(number for number, card in enumerate(cards) if "seven" in card)
    assert "50 % of words differ" in cards[place]
    desk.page.wait_for_timeout(140)
    desk.page.keyboard.press(str(place + 1))
    desk.press("Enter")
    desk.wait_unsent(0)
    assert said(work) == [("call-0", "label", "seven of", "blind"), ("call-0", "label", "seven", "revealed")]
    assert work.decisions()[1].details["chosen"] == ["v2"]


def test_assist_sends_the_ai_answer_only_after_the_own_one_and_both_are_stored(line: Line, sit_down: SitDown) -> None:
    work = letters(line)
    text = {"text": "Where is my money?", "inputs": {"text": "Where is my money?"}}
    names = [f"note-{number}" for number in range(4)]
    work.add(names, [text] * 4, mode="assist")
    desk = sit_down("assist").open("/inspect?model=letters")
    desk.page.keyboard.press("i")
    assert "First your own answer" in desk.part("toast")
    desk.page.wait_for_timeout(300)
    assert not leaks(desk)
    desk.page.keyboard.press("2")
    desk.page.locator(".bench .reveal", has_text=SECRET).wait_for()
    desk.page.wait_for_timeout(140)
    desk.press("Enter")  # keep
    desk.page.wait_for_timeout(300)
    assert not leaks(desk, "note-1")
    desk.page.keyboard.press("1")
    desk.page.locator(".bench .reveal", has_text=SECRET).wait_for()
    desk.page.wait_for_timeout(140)
    desk.press("u")  # escalate
    desk.wait_unsent(0)
    assert said(work) == [
        ("note-0", "label", "payment", "blind"),
        ("note-0", "label", "payment", "revealed"),
        ("note-1", "label", "delivery", "blind"),
        ("note-1", "unsure", None, "revealed"),
    ]
    second = work.decisions()[1]
    assert second.duration_ms is not None
    assert second.details["revealed_ms"] > 0
    assert second.is_evidence is False


def test_every_kind_fits_a_tablet_held_upright(line: Line, sit_down: SitDown) -> None:
    loans(line).add(["loan-0"], [{"inputs": LOAN}])
    letters(line).add(["letter-0"], [{"text": "Hello there", "inputs": {}}])
    line.add_tasks(1)
    desk = sit_down("tablet", language="vi", has_touch=True)
    desk.page.set_viewport_size({"width": 820, "height": 1180})
    for model in ("loans", "letters", "pcb-inspection"):
        desk.open(f"/inspect?model={model}")
        desk.page.wait_for_timeout(1500)
        assert desk.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
        boxes = [one.bounding_box() for one in desk.page.locator(".bench button:visible").all()]
        small = [box for box in boxes if box is None or box["height"] < 44 or box["width"] < 44]
        assert small == []
        assert max(box["y"] + box["height"] for box in boxes if box) <= 1180
