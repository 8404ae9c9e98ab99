"""The entry of the screens: who looks, in which language, and which screens that role has. Served by
backend.ui_mount; a new screen is a module with `show()` and one line in SCREENS."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import streamlit as st

from backend.client import ApiError
from dashboard.kit import account, frame, saving, session
from dashboard.kit.text import t

ASSETS: Final = Path(__file__).parent / "assets"


@dataclass(frozen=True, slots=True)
class Screen:
    """One screen: the job it belongs to, its address and texts key (nav.<name>), and who may see it."""

    job: str
    name: str
    module: str
    permission: str
    icon: str
    #: Reached through links only.
    is_hidden: bool = False

    @property
    def url_path(self) -> str:
        return self.name.replace("_", "-")


#: The first screen a person may see is the one at the root.
SCREENS: Final = (
    Screen("watch", "overview", "dashboard.screens.overview", "aggregates:read", "space_dashboard"),
    Screen("watch", "health", "dashboard.screens.health", "aggregates:read", "monitor_heart"),
    Screen("watch", "inputs_outputs", "dashboard.screens.inputs_outputs", "aggregates:read", "swap_horiz"),
    Screen("watch", "drift", "dashboard.screens.drift", "aggregates:read", "ssid_chart"),
    Screen("watch", "pipelines", "dashboard.screens.pipelines", "aggregates:read", "account_tree"),
    Screen("watch", "reports", "dashboard.screens.reports", "aggregates:read", "description"),
    Screen("watch", "alerts", "dashboard.screens.alerts", "aggregates:read", "notifications"),
    Screen("watch", "performance", "dashboard.screens.performance", "aggregates:read", "query_stats"),
    Screen("review", "inspect", "review.screens.inspect", "review:work", "center_focus_strong"),
    Screen("review", "disagreements", "review.screens.disagreements", "review:manage", "alt_route"),
    Screen("review", "review_policy", "review.screens.review_policy", "review:manage", "tune"),
    Screen("review", "compare", "dashboard.screens.compare", "aggregates:read", "compare_arrows"),
    Screen("review", "inspectors", "review.screens.inspectors", "aggregates:read", "groups"),
    Screen("decide", "automation", "dashboard.screens.automation", "aggregates:read", "stairs"),
    Screen("learn", "labelled_data", "review.screens.labelled_data", "labels:read", "label"),
    Screen("learn", "datasets", "dashboard.screens.datasets", "datasets:read", "dataset"),
    Screen("learn", "retraining", "dashboard.screens.retraining", "runs:read", "model_training"),
    Screen("learn", "versions", "dashboard.screens.versions", "models:read", "deployed_code"),
    Screen("run", "ingestion", "dashboard.screens.ingestion", "events:read", "input"),
    Screen("run", "capacity", "dashboard.screens.capacity", "aggregates:read", "memory"),
    Screen("run", "people", "dashboard.screens.people", "people:manage", "group"),
    Screen("watch", "prediction", "dashboard.screens.prediction", "events:read", "description", is_hidden=True),
)
_JOBS: Final = ("watch", "review", "decide", "learn", "run")


def main() -> None:
    st.set_page_config(page_title=t("common.product"), page_icon=str(ASSETS / "icon.png"), layout="wide")
    st.html(ASSETS.parent / "kit" / "frontend" / "style.css")
    st.logo(str(ASSETS / "logo.svg"), icon_image=str(ASSETS / "icon.svg"), size="large")
    who = _who()
    session.settle_reader(who)
    account.mark_language()
    if who is None:
        return
    chosen = st.navigation(_pages(who), position="sidebar", expanded=True)
    account.sidebar(who)
    saving.begin()
    try:
        with frame.errors():
            chosen.run()
    finally:  # a screen may end itself early, with an explanation that can be saved as well
        saving.button()


def _who() -> session.Person | None:
    """The signed-in person, or None after saying why there is none."""
    try:
        return session.refresh_person()
    except ApiError as error:
        session.settle_reader(None)
        frame.show_error(error)
        return None


def _pages(who: session.Person) -> dict[str, list[Any]]:
    """The person's screens by job; links to screens leave out what is not in here."""
    allowed = [screen for screen in SCREENS if who.may(screen.permission)]
    pages: dict[str, list[Any]] = {}
    for job in _JOBS:
        for screen in allowed:
            if screen.job == job:
                page = st.Page(
                    _opens(screen.module),
                    title=t(f"nav.{screen.name}"),
                    icon=f":material/{screen.icon}:",
                    url_path=screen.url_path,
                    default=screen is allowed[0],
                    visibility="hidden" if screen.is_hidden else "visible",
                )
                frame.register_page(screen.url_path, page)
                pages.setdefault(t(f"nav.job.{job}"), []).append(page)
    return pages


def _opens(module: str) -> Callable[[], None]:
    """Imports a screen when it is first opened."""

    def show() -> None:
        import_module(module).show()

    return show


if __name__ == "__main__":
    main()
