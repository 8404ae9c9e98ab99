"""What every screen shares: heading, pickers bound to the URL, empty and error states, and what a role may see."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NoReturn
from urllib.parse import urlencode

import streamlit as st

from backend.client import ApiError
from dashboard.kit import address, data, saving, session, theme
from dashboard.kit.data import ModelInfo
from dashboard.kit.text import reader, t, t_or
from dashboard.kit.values import span


@dataclass(frozen=True, slots=True)
class Window:
    """The time range a screen looks at; `end` is not part of it. `grain_s` is the width of one chart bucket."""

    start: datetime
    end: datetime
    name: str

    @property
    def length(self) -> timedelta:
        return self.end - self.start

    @property
    def previous(self) -> Window:
        """The equally long window just before."""
        return Window(self.start - self.length, self.start, self.name)

    @property
    def grain_s(self) -> int:
        """Bucket width that gives a readable chart (some 100 to 300 points)."""
        return next((grain for upto, grain in _GRAINS if self.length <= timedelta(hours=upto)), 86_400)

    @property
    def key(self) -> tuple[str, str]:
        """Names this window in a cache key."""
        return self.start.isoformat(), self.end.isoformat()

    def params(self) -> dict[str, str]:
        """As query parameters of the API."""
        return {"start": self.start.isoformat(), "end": self.end.isoformat()}


_GRAINS: Final = ((26, 300), (24 * 15, 3600), (24 * 32, 3 * 3600), (24 * 93, 21_600))
_RANGES: Final[Mapping[str, timedelta]] = {
    "1h": timedelta(hours=1),
    "6h": timedelta(hours=6),
    "24h": timedelta(hours=24),
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
    "90d": timedelta(days=90),
}
_CUSTOM: Final = "custom"


# --- heading and state of a screen ---------------------------------------------------------------------------------


def page(title_key: str, intro_key: str | None = None, **params: Any) -> None:
    """The heading of a screen; call it first."""
    st.title(t(title_key, **params), anchor=False)
    if intro_key:
        st.caption(t(intro_key, **params))


def empty_state(key: str, *, action: tuple[str, str] | None = None, code: str | None = None, **params: Any) -> None:
    """Says what would fill this place and how: `<key>.title`, `<key>.body`; `action` is (text key, url_path).

    `code` is shown to be copied, such as the call that would log a first event.
    """
    with st.container(border=True):
        st.markdown(f"**{t(f'{key}.title', **params)}**")
        st.markdown(t(f"{key}.body", **params))
        if code:
            st.code(code, language=None)
        if action:
            link(action[1], t(action[0]))


def show_error(error: ApiError) -> None:
    """What happened, what is safe, what to do."""
    if error.status == 401:
        _signed_out()
        return
    key = f"error.{error.code}"
    happened = t_or(key, t("error.unexpected", message=error.message))
    safe = t("error.safe_reading")
    todo = t_or(f"error.todo_{error.code}", t("error.todo"))
    st.error(f"**{happened}**  \n{safe} {todo}", icon=":material/error:")
    if error.status not in (0, 403, 404):
        with st.expander(t("error.details")):
            st.code(f"{error.status} {error.code}: {error.message}", language=None)


@contextmanager
def errors() -> Iterator[None]:
    """Renders an API error where it happens, so that the rest of the screen stays usable."""
    try:
        yield
    except ApiError as error:
        show_error(error)
        if error.status == 401:
            st.stop()


def show_crash(reference: str) -> None:
    """A screen broke by a mistake of ours; the log has the same reference beside what went wrong."""
    st.error(f"**{t('error.crashed')}**  \n{t('error.crashed_body')}", icon=":material/error:")
    st.code(reference, language=None)


def _signed_out() -> None:
    st.warning(f"**{t('error.signed_out')}**  \n{t('error.signed_out_body')}", icon=":material/lock:")
    st.link_button(t("common.sign_in"), login_url(), type="primary")


def login_url() -> str:
    """The sign-in page, leading back to where the person is now."""
    path = "/" + (st.context.url or "").split("://", 1)[-1].partition("/")[2]
    query = urlencode(list(st.query_params.to_dict().items()))
    return "/login?" + urlencode({"next": path.split("?")[0] + (f"?{query}" if query else "")})


def require(permission: str) -> None:
    """Stops the screen with an explanation when the person's role may not see it."""
    if not session.may(permission):
        st.info(f"**{t('error.not_allowed')}**  \n{t('error.not_allowed_body')}", icon=":material/lock:")
        st.stop()


require_role = require


def is_dark() -> bool:
    """Whether the person's browser shows the dark theme."""
    return bool(st.context.theme.type == "dark")


def colours() -> theme.Palette:
    return theme.palette(is_dark())


# --- links ---------------------------------------------------------------------------------------------------------


def register_page(url_path: str, page: Any) -> None:
    """app.py tells which screens this person has, so that links to others are left out."""
    registry = st.session_state.setdefault("soi_pages", {})
    registry[url_path] = page


def has_page(url_path: str) -> bool:
    return url_path in st.session_state.get("soi_pages", {})


def link(url_path: str, label: str, *, icon: str | None = None, help: str | None = None, **params: Any) -> None:
    """A link to another screen with its state; plain text where the person has no such screen."""
    found = st.session_state.get("soi_pages", {}).get(url_path)
    if found is None:
        st.markdown(label)
        return
    query = {name: str(value) for name, value in params.items() if value is not None}
    st.page_link(found, label=label, icon=icon, help=help, query_params=query or None)


def url(url_path: str, **params: Any) -> str:
    """The address of a screen with its state, for link columns of tables."""
    query = urlencode({name: value for name, value in params.items() if value is not None})
    return f"/{url_path}" + (f"?{query}" if query else "")


# --- pickers bound to the URL --------------------------------------------------------------------------------------


def choice(
    label_key: str,
    options: Sequence[str],
    *,
    key: str,
    shown: Callable[[str], str] = str,
    default: str | None = None,
    where: Any = None,
    help_key: str | None = None,
    is_shared: bool = False,
) -> str | None:
    """A select box whose value is the URL parameter `key`. A shared choice (model, time range) goes along to the
    next screen of the same person."""
    if not options:
        return None
    start = default if default in options else options[0]
    last = st.session_state.get(f"soi_last_{key}") if is_shared else None
    address.follow(key, options, last if last in options else start)
    picked: str | None = (where or st).selectbox(
        t(label_key),
        list(options),
        key=key,
        format_func=shown,
        help=t(help_key) if help_key else None,
    )
    if is_shared:
        st.session_state[f"soi_last_{key}"] = picked
    address.keep(key, picked, None if is_shared else start)
    return picked


def model_picker(where: Any = None) -> ModelInfo:
    """The model this screen is about (`?model=`); stops with an explanation while there is none."""
    found = data.models()
    if not found:
        empty_state("common.no_models", code=FIRST_MODEL)
        st.stop()
    names = {model.name: model for model in found}
    picked = choice(
        "common.model", list(names), key="model", shown=lambda name: names[name].shown, where=where, is_shared=True
    )
    chosen = names[picked or found[0].name]
    saving.note("model", chosen.shown)
    return chosen


#: Registers a first model; shown where there is none.
FIRST_MODEL: Final = "soi model add my-model --item-kind image --label OK --label NG"


def first_event(model: str) -> str:
    """The call that logs a first prediction of a model."""
    body = f'{{"model": "{model}", "version": "v1", "prediction": "OK"}}'
    address = str(st.context.url or "").split("://")
    base = "://".join([address[0], address[-1].split("/")[0]]) if len(address) == 2 else ""
    headers = "-H 'Authorization: Bearer $SOI_KEY' -H 'Content-Type: application/json'"
    return f"curl {base}/v1/predictions {headers} -d '{body}'"


def time_range(where: Any = None, *, default: str = "7d", now: datetime | None = None) -> Window:
    """The window this screen looks at (`?range=`, and `?from=&to=` for a free one)."""
    place = where or st
    picked = choice(
        "common.time_range",
        [*_RANGES, _CUSTOM],
        key="range",
        shown=lambda name: t(f"common.range.{name}"),
        default=default,
        where=place,
        is_shared=True,
    )
    moment = _up_to(now or datetime.now(UTC))
    if picked != _CUSTOM:
        name = picked or default
        window = Window(moment - _RANGES[name], moment, name)
    else:
        window = _free_range(place, moment)
    saving.note("window", t("common.window", span=span(window.start, window.end), zone=str(_zone())))
    return window


def _free_range(place: Any, now: datetime) -> Window:
    zone = _zone()
    today = now.astimezone(zone).date()
    days = place.date_input(
        t("common.from_to"),
        (today - timedelta(days=6), today),
        max_value=today,
        key="days",
        bind="query-params",
        format="DD/MM/YYYY",
    )
    first, last = (days[0], days[-1]) if isinstance(days, tuple | list) and days else (today, today)
    start = datetime(first.year, first.month, first.day, tzinfo=zone).astimezone(UTC)
    end = datetime(last.year, last.month, last.day, tzinfo=zone).astimezone(UTC) + timedelta(days=1)
    return Window(start, end, _CUSTOM)


def _zone() -> Any:
    return reader().zone


def _up_to(now: datetime) -> datetime:
    """The next full minute, so that two parts of one screen ask for the same window and share the cache."""
    return now.replace(second=0, microsecond=0) + timedelta(minutes=1)


def window_caption(window: Window) -> None:
    """Says in words which window and zone the numbers are from."""
    st.caption(t("common.window", span=span(window.start, window.end), zone=str(_zone())))


def stop_with(key: str, **params: Any) -> NoReturn:
    """Explain and end the script run."""
    empty_state(key, **params)
    st.stop()
    raise AssertionError("unreachable")
