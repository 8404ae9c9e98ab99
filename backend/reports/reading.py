"""A client that reads numbers and nothing else, for whoever writes a report: the API app in this process, without a
socket, asked by a principal that lives for some minutes and may read aggregates of one model."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from backend.auth.rules import Principal
from backend.client import Client
from backend.settings import Settings
from backend.ui_connection import LoopTransport

#: All that a report reads. None of these shows a single event, decision, label or file.
SCOPES = frozenset({"aggregates:read", "models:read"})
LIFETIME_S = 900.0
_ANSWER_S = 120.0


@contextmanager
def reading_client(settings: Settings, model: str, name: str = "report") -> Iterator[Client]:
    """A client for reading one model. The app is not started, so nothing in it writes."""
    from backend.main import create_app

    app = create_app(settings, ui=False)
    services = app.state.services
    reader = Principal(kind="key", id=name, name=name, scopes=SCOPES, models=frozenset({model}))
    headers = {"Authorization": f"Bearer {services.authenticator.lend(reader, LIFETIME_S)}"}
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="report-api", daemon=True)
    thread.start()
    try:
        transport = LoopTransport(app, loop, _ANSWER_S)
        with httpx.Client(
            base_url="http://soi.internal", transport=transport, headers=headers, timeout=_ANSWER_S, trust_env=False
        ) as http:
            yield Client(http=http)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        services.stop()
