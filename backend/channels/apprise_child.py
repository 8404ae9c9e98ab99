"""Runs Apprise in a process of its own: `python -m backend.channels.apprise_child`, one JSON object in, one out.

Apprise connects by itself, so the rules for outgoing requests are put below it: every name is resolved through the
address check, redirects are off, the environment has no proxies, and the parent ends the process when it takes too
long. It also keeps some 40 MB of plugins out of the API and the worker.
"""

from __future__ import annotations

import json
import logging
import socket
import sys
from typing import Any

from backend.channels.addresses import AddressRefused, Allowed, pick

#: Services that talk to this machine and not to a person.
LOCAL = frozenset({"dbus", "kde", "qt", "glib", "gnome", "macosx", "windows", "syslog"})


class _Heard(logging.Handler):
    """What Apprise said while sending."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def main() -> None:
    asked = json.loads(sys.stdin.read())
    heard = _Heard()
    refused = _guard(Allowed.parse(asked["allowed"], is_all=asked["only_allowed"]))
    logging.getLogger("apprise").addHandler(heard)
    sys.stdout.write(json.dumps(_answer(asked, heard, refused)))


def _guard(allowed: Allowed) -> list[str]:
    """Every name that is resolved from here on is checked; what was refused is listed."""
    original, refused = socket.getaddrinfo, list[str]()

    def checked(host: Any, port: Any, *args: Any, **more: Any) -> Any:
        found = original(host, port, *args, **more)
        try:
            chosen = pick(allowed, str(host), [str(one[4][0]) for one in found])
        except AddressRefused as error:
            refused.append(str(error))
            raise OSError(str(error)) from error
        return [one for one in found if str(one[4][0]) == chosen]

    socket.getaddrinfo = checked
    return refused


def _answer(asked: dict[str, Any], heard: _Heard, refused: list[str]) -> dict[str, Any]:
    import apprise

    asset = apprise.AppriseAsset(http_redirects=False, secure_logging=True, app_id="Soi", app_desc="Soi", app_url="")
    service = apprise.Apprise.instantiate(asked["url"], asset=asset)
    if service is None:
        return {"error": "Apprise does not know this address: see its list of services"}
    if str(asked["url"]).partition(":")[0].lower() in LOCAL:
        return {"error": "this service talks to the server's own desktop: choose one that reaches people"}
    if asked["do"] == "check":
        return {"shown": service.url(privacy=True)}
    sender = apprise.Apprise(asset=asset)
    sender.add(service)
    if sender.notify(body=asked["body"], title=asked["title"], body_format="text"):
        return {}
    said = (refused or heard.lines or ["the service did not take the message"])[-1]
    return {"error": said.replace(asked["url"], "…")[:300]}


if __name__ == "__main__":
    main()
