"""The bench in a real browser against a real server: keys, undo, outage, held key, two tabs, languages."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.bench.browser import Desk
from tests.bench.line import SECRET, Line, Server

pytestmark = pytest.mark.browser
SitDown = Callable[..., Desk]


@pytest.fixture
def line(server: Server) -> Line:
    """The line with an empty queue."""
    server.line.clear_tasks()
    return server.line


def test_twenty_items_are_decided_by_keyboard_alone_each_exactly_once(line: Line, sit_down: SitDown) -> None:
    names = line.add_tasks(21)
    desk = sit_down("keys").open()
    expected = {}
    for number, name in enumerate(names[:20]):
        assert desk.subject() == name
        if number % 4 == 1:
            desk.page.keyboard.press("f")  # several classes: asks which
            desk.press("2")
            expected[name] = [("label", "open")]
        elif number % 4 == 3:
            desk.press("3")
            expected[name] = [("label", "short")]
        else:
            desk.press("j")
            expected[name] = [("label", "ok")]
    desk.wait_unsent(0)
    assert line.answers() == expected
    assert all(row.duration_ms and row.seen == "blind" for row in line.decisions())


def test_blind_mode_never_sends_the_machines_answer_to_the_browser(line: Line, sit_down: SitDown) -> None:
    line.add_tasks(3)
    desk = sit_down("blind").open()
    desk.press("j")
    desk.page.keyboard.press("i")
    assert "not shown here" in desk.part("toast")
    desk.wait_unsent(0)
    assert desk.bodies
    assert not any(SECRET in body or "0.918273" in body for body in desk.bodies)


def test_undo_takes_back_one_after_the_other_and_keeps_what_was_said(line: Line, sit_down: SitDown) -> None:
    names = line.add_tasks(6)
    desk = sit_down("undo").open()
    for key in "jj3":
        desk.press(key)
    desk.wait_unsent(0)
    desk.press("z")
    assert desk.subject() == names[2]
    desk.press("z")
    assert desk.subject() == names[1]
    desk.press("4")
    desk.press("j")
    desk.wait_unsent(0)
    assert line.answers() == {
        names[0]: [("label", "ok")],
        names[1]: [("label", "pin_hole")],
        names[2]: [("label", "ok")],
    }
    assert len(line.decisions()) == 5


def test_undo_after_a_reload_takes_back_what_was_said_before_it(line: Line, sit_down: SitDown) -> None:
    names = line.add_tasks(4)
    desk = sit_down("reload").open()
    desk.press("j")
    desk.wait_unsent(0)
    desk.open()
    desk.press("z")
    assert desk.subject() == names[0]
    desk.press("2")
    desk.wait_unsent(0)
    assert line.answers() == {names[0]: [("label", "open")]}


def test_an_outage_in_the_middle_loses_nothing_and_sends_nothing_twice(
    line: Line, server: Server, sit_down: SitDown
) -> None:
    names = line.add_tasks(8)
    desk = sit_down("outage").open()
    desk.press("j")
    desk.wait_unsent(0)
    server.kill()
    for _ in range(3):  # those that were fetched ahead
        desk.press("2")
    desk.wait_unsent(3)
    desk.page.keyboard.press("2")
    desk.wait_unsent(4)
    desk.page.get_by_text("The server does not answer", exact=True).wait_for()
    desk.page.wait_for_timeout(4000)
    assert not desk.page.get_by_role("dialog").is_visible()  # Streamlit's word about it stays out of the way
    server.start()
    desk.wait_unsent(0)
    assert line.answers() == {names[0]: [("label", "ok")]} | {name: [("label", "open")] for name in names[1:5]}
    assert len(line.decisions()) == 5
    desk.wait_painted(6)
    assert desk.subject() == names[5]
    desk.problems.clear()  # Streamlit tells of its own lost connection


def test_answers_of_a_tab_that_was_closed_during_an_outage_are_sent_by_the_next(line: Line, sit_down: SitDown) -> None:
    names = line.add_tasks(5)
    desk = sit_down("closed").open()
    desk.page.route("**/decide", lambda route: route.abort())
    desk.press("j")
    desk.press("3")
    desk.wait_unsent(2)
    desk.page.close(run_before_unload=False)
    desk.page = desk.tab()
    desk.open()
    desk.wait_unsent(0)
    assert line.answers() == {names[0]: [("label", "ok")], names[1]: [("label", "short")]}


def test_an_answer_that_arrived_but_was_not_confirmed_counts_once(line: Line, sit_down: SitDown) -> None:
    names = line.add_tasks(3)
    desk = sit_down("unconfirmed").open()
    seen = []

    def lose_the_first_answer(route: object) -> None:
        seen.append(route.request.post_data)  # type: ignore[attr-defined]
        if len(seen) == 1:
            route.fetch()  # type: ignore[attr-defined]
            route.abort()  # type: ignore[attr-defined]
        else:
            route.continue_()  # type: ignore[attr-defined]

    desk.page.route("**/decide", lose_the_first_answer)
    desk.press("j")
    desk.wait_unsent(0)
    assert len(seen) >= 2
    assert json.loads(seen[0])["idempotency_key"] == json.loads(seen[1])["idempotency_key"]
    assert len(line.decisions()) == 1
    assert line.answers() == {names[0]: [("label", "ok")]}


def test_an_answer_about_an_item_that_somebody_else_holds_by_now_is_kept_and_its_person_told(
    line: Line, sit_down: SitDown
) -> None:
    names = line.add_tasks(2)
    desk = sit_down("late").open()
    line.give_to_another(names[0])
    desk.press("j")
    desk.page.get_by_text("your answer is kept as an extra opinion").first.wait_for()
    desk.wait_unsent(0)
    assert [(row.label, row.is_evidence, row.details["outcome"]) for row in line.decisions()] == [
        ("ok", False, "extra")
    ]


def test_a_held_key_decides_once(line: Line, sit_down: SitDown) -> None:
    names = line.add_tasks(6)
    desk = sit_down("held").open()
    for _ in range(12):
        desk.page.keyboard.down("j")
        desk.page.wait_for_timeout(40)
    desk.page.keyboard.up("j")
    desk.wait_unsent(0)
    assert line.answers() == {names[0]: [("label", "ok")]}


def test_two_tabs_of_one_person_never_show_the_same_item(line: Line, sit_down: SitDown) -> None:
    line.add_tasks(24)
    desk = sit_down("tabs").open()
    other = desk.tab()
    desk.open(page=other)
    for _ in range(5):
        desk.press("j")
        desk.press("3", other)
    desk.wait_unsent(0)
    desk.wait_unsent(0, other)
    answers = line.answers()
    assert len(answers) == 10
    assert all(len(said) == 1 for said in answers.values())
    assert len(line.decisions()) == 10


def test_pause_gives_the_items_back_and_goes_on_after(line: Line, sit_down: SitDown) -> None:
    line.add_tasks(6)
    desk = sit_down("pause").open()
    assert line.n_leased() == 4
    desk.page.keyboard.press("p")
    desk.page.get_by_text("Your items went back to the queue").wait_for()
    desk.page.wait_for_timeout(300)
    assert line.n_leased() == 0
    desk.page.keyboard.press("j")
    before = desk.n_painted()
    desk.page.keyboard.press("p")
    desk.wait_painted(before + 1)
    assert line.answers() == {}


def test_a_missing_picture_says_so_and_can_only_be_skipped(line: Line, sit_down: SitDown) -> None:
    (name,) = line.add_tasks(1, artifact="0" * 64)
    line.add_tasks(1, start=1)
    desk = sit_down("missing")
    desk.page.goto(f"{desk.server.url}/inspect")
    desk.page.get_by_role("heading", name="The picture is missing").wait_for()
    desk.page.keyboard.press("j")
    assert "nothing to judge" in desk.part("toast")
    desk.page.keyboard.press("k")
    desk.page.keyboard.press("2")
    desk.wait_painted(1)
    desk.wait_unsent(0)
    assert line.answers() == {name: [("skip", None)]}
    assert (line.decisions()[0].skip_reason, line.decisions()[0].comment) == ("damaged", None)


def test_an_empty_queue_says_what_would_fill_it_and_goes_on_by_itself(line: Line, sit_down: SitDown) -> None:
    desk = sit_down("empty")
    desk.page.goto(f"{desk.server.url}/inspect")
    desk.page.get_by_text("Nothing waits for you").wait_for()
    assert "review policy" in desk.part("notice")
    line.add_tasks(1)
    desk.wait_painted(1)


def test_comment_and_drawn_box_go_with_the_answer_by_keyboard(line: Line, sit_down: SitDown) -> None:
    line.add_tasks(2)
    desk = sit_down("box").open()
    desk.page.keyboard.press("t")
    desk.page.keyboard.type("jagged edge")  # letters of a text are no commands
    desk.page.keyboard.press("Enter")
    desk.page.keyboard.press("o")
    desk.page.keyboard.press("ArrowRight")
    desk.page.keyboard.press("Enter")
    desk.page.keyboard.press("o")
    desk.press("2")
    desk.wait_unsent(0)
    (row,) = line.decisions()
    assert row.comment == "jagged edge"
    assert row.boxes == [{"x": 294, "y": 288, "width": 64, "height": 64}]


def test_own_answers_can_be_looked_at_with_the_arrows_and_not_changed_there(line: Line, sit_down: SitDown) -> None:
    names = line.add_tasks(4)
    desk = sit_down("history").open()
    desk.press("3")
    desk.press("j")
    desk.press("ArrowLeft")
    desk.press("ArrowLeft")
    assert (desk.subject(), desk.part("answer")) == (names[0], "Your answer: Short")
    desk.page.keyboard.press("j")
    assert "earlier item" in desk.part("toast")
    desk.press("ArrowRight")
    desk.press("ArrowRight")
    assert desk.subject() == names[2]


def test_view_settings_stay_for_the_next_item_and_the_next_visit(line: Line, sit_down: SitDown) -> None:
    line.add_tasks(4)
    desk = sit_down("view").open()
    for key in "eew":
        desk.page.keyboard.press(key)
    caption = '.bench [data-at="item"] figcaption'
    assert desk.page.locator(caption).inner_text() == "Item · 156 % · brightness 1.1, contrast 1"
    desk.press("j")
    desk.page.keyboard.press("g")
    desk.page.wait_for_timeout(600)
    desk.open()
    assert desk.page.locator(caption).inner_text() == "Item · overlay · 156 % · brightness 1.1, contrast 1"


def test_a_golden_sample_of_another_size_is_scaled_and_said(line: Line, sit_down: SitDown) -> None:
    from tests.bench.line import draw_board

    small = line.add_picture(draw_board(2, has_defect=False, size=320))
    line.add_tasks(1, golden=small, boxes=[[9, 9, 40, 40], [1, 2, 3], "left"])
    desk = sit_down("golden").open()
    assert "2 marked places cannot be drawn" in desk.page.locator('.bench [data-at="item"] figcaption').inner_text()
    assert "scaled to the size of the item" in desk.page.locator('.bench [data-at="golden"] figcaption').inner_text()


def test_own_keys_are_kept_with_the_person_and_conflicts_refused(line: Line, sit_down: SitDown) -> None:
    names = line.add_tasks(3)
    desk = sit_down("ownkeys").open()
    desk.page.keyboard.press("h")
    desk.page.get_by_label("OK: key J. Change it").click()
    desk.page.keyboard.press("f")
    desk.page.get_by_text("F already means").wait_for()
    desk.page.keyboard.press("c")
    desk.page.get_by_text("C is taken by the page itself").wait_for()
    desk.page.keyboard.press("y")
    desk.page.get_by_text("Press Y again to exchange").wait_for()
    with desk.page.expect_response(lambda answer: answer.request.method == "PATCH"):
        desk.page.keyboard.press("y")
    desk.page.get_by_label("Find a class by its name: key J. Change it").wait_for()
    desk.page.keyboard.press("Escape")
    desk.open()
    desk.press("y")
    desk.wait_unsent(0)
    assert line.answers() == {names[0]: [("label", "ok")]}


def test_buttons_do_the_same_as_keys(line: Line, sit_down: SitDown) -> None:
    names = line.add_tasks(3)
    desk = sit_down("touch", has_touch=True).open()
    before = desk.n_painted()
    desk.page.locator(".bench .verbs .big.good").tap()
    desk.wait_painted(before + 1)
    desk.page.locator(".bench .verbs .class", has_text="Short").tap()
    desk.wait_painted(before + 2)
    desk.wait_unsent(0)
    assert line.answers() == {names[0]: [("label", "ok")], names[1]: [("label", "short")]}


@pytest.mark.parametrize(
    ("size", "language", "words"),
    [((1280, 720), "vi", "Không đạt"), ((1024, 768), "vi", "Không đạt"), ((1024, 768), "en", "Not OK")],
)
def test_the_bench_fits_the_screen_in_both_languages(
    line: Line, sit_down: SitDown, size: tuple[int, int], language: str, words: str
) -> None:
    line.add_tasks(2)
    desk = sit_down(f"fits-{language}", language=language)
    desk.page.set_viewport_size({"width": size[0], "height": size[1]})
    desk.open()
    desk.page.wait_for_timeout(1500)
    desk.page.locator(".bench .verbs", has_text=words).wait_for()
    overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert desk.page.evaluate(overflow) <= 0
    tools = desk.page.locator(".bench .tools").bounding_box()
    assert tools is not None
    assert tools["y"] + tools["height"] <= size[1]
    canvas = desk.page.locator(".bench canvas").first.bounding_box()
    assert canvas is not None
    assert canvas["height"] > size[1] * 0.5


def test_a_dispute_is_settled_by_keyboard_with_both_opinions_in_view(line: Line, sit_down: SitDown) -> None:
    names = line.add_tasks(2, mode="adjudicate")
    desk = sit_down("lead", "admin").open("/disagreements?view=decide")
    assert "line 7 is cut" in desk.part("opinions")
    assert "user:" not in "".join(desk.bodies)
    desk.press("2")
    desk.wait_unsent(0)
    assert line.answers() == {names[0]: [("label", "open")]}
    desk.page.goto(f"{desk.server.url}/disagreements?view=settled")
    desk.page.get_by_text("50.0% (1/2)").wait_for()


def test_a_link_to_one_dispute_opens_that_one(line: Line, sit_down: SitDown) -> None:
    names = line.add_tasks(3, mode="adjudicate")
    wanted = line.task_id(names[2])
    desk = sit_down("link", "admin").open(f"/disagreements?view=decide&task={wanted}")
    assert desk.subject() == names[2]
