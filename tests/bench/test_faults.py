"""What is sent at the worst moment: the bench's own queue, session, journal and sender, without a browser, against a
server that is killed. Every answer is stored exactly once."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.bench.line import MODEL, Line, Server, free_port
from tests.conftest import absent

pytestmark = pytest.mark.faults
NODE = shutil.which("node")
SCRIPT = Path(__file__).parent / "desk.mjs"
OpenTab = Callable[..., "Tab"]


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The API alone, without screens."""
    if NODE is None:
        absent("node")
    line = Line.build(tmp_path_factory.mktemp("line"), free_port(), ui=False)
    made = Server(line)
    made.start()
    yield made
    made.kill()
    line.database.dispose()


@pytest.fixture
def open_tab(api: Server, tmp_path: Path) -> Iterator[OpenTab]:
    """open_tab("an", "storage", n=3): a tab that answers three items. None outlives its test."""
    tabs: list[Tab] = []

    def open_it(person: str, storage: str, **more: Any) -> Tab:
        tabs.append(Tab(api, person, tmp_path / f"{storage}.json", **more))
        return tabs[-1]

    yield open_it
    for tab in tabs:
        tab.crash()


class Tab:
    """A tab of one person: what it said, and what the server confirmed."""

    def __init__(self, server: Server, person: str, storage: Path, n: int, **more: Any) -> None:
        token = server.line.add_person(person, "inspector")
        user = server.line.person_id(person)
        given = {
            "base": server.url,
            "token": token,
            "user": user,
            "model": MODEL,
            "storage": str(storage),
            "n": n,
            **more,
        }
        assert NODE is not None
        self.process = subprocess.Popen([NODE, str(SCRIPT), json.dumps(given)], stdout=subprocess.PIPE, text=True)
        self.said: dict[str, str] = {}
        self.refused: list[Any] | None = None

    def read_until(self, word: str, n: int = 1) -> None:
        """Take in what it prints up to the n-th line of this kind from now."""
        assert self.process.stdout is not None
        for text in self.process.stdout:
            line = json.loads(text)
            if "said" in line:
                assert line["said"]["task"] not in self.said
                self.said[line["said"]["task"]] = line["said"]["label"]
            self.refused = line.get("refused", self.refused)
            n -= word in line
            if n == 0:
                return
        raise AssertionError(f"the tab ended before {word!r}")

    def crash(self) -> None:
        assert self.process.stdout is not None
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def end(self) -> None:
        """It ends by itself once all is confirmed."""
        self.read_until("sent")
        assert self.process.wait(timeout=10) == 0
        assert self.refused == []


def stored(line: Line) -> list[tuple[str | None, str | None]]:
    """(task, label) of every decision there is, taken back or not, in order."""
    return sorted((row.task_id, row.label) for row in line.decisions())


@pytest.mark.timeout(90)
def test_two_tabs_through_two_kills_of_the_server_while_they_send_lose_and_double_nothing(
    api: Server, open_tab: OpenTab
) -> None:
    api.line.clear_tasks()
    api.line.add_bare_tasks(60)
    tabs = [open_tab("an", f"tab{number}", n=14, hurry=10) for number in range(2)]
    for n_more in (3, 5):
        tabs[0].read_until("said", n_more)  # its request is under way, the other tab's as well
        api.kill()
        api.start()
    for tab in tabs:
        tab.end()
    said = tabs[0].said | tabs[1].said
    assert len(said) == 28  # no item came up in both
    assert stored(api.line) == sorted(said.items())


@pytest.mark.timeout(90)
def test_ten_answers_of_a_long_outage_outlive_the_crash_of_their_tab_and_arrive_once(
    api: Server, open_tab: OpenTab, tmp_path: Path
) -> None:
    """Waits run sixty times faster: two seconds stand for two minutes."""
    api.line.clear_tasks()
    api.line.add_bare_tasks(14)
    tab = open_tab("binh", "binh", n=10, ahead=9, hurry=60)
    tab.read_until("said")
    api.kill()
    tab.read_until("made")
    tab.crash()
    after = open_tab("binh", "binh", n=0, hurry=60, silent_ms=100_000)
    other = open_tab("chi", "chi", n=2, hurry=60)  # somebody who opens the bench during the outage
    api.start()
    after.end()
    other.end()
    said = tab.said | other.said
    assert len(tab.said) == 10
    assert len(said) == 12
    assert stored(api.line) == sorted(said.items())
    assert json.loads((tmp_path / "binh.json").read_text()) == []
