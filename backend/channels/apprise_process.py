"""Sends one message through Apprise, in a child process with a clean environment and a time limit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

from backend.channels.webhook import NotSent

#: Starting Python and importing Apprise takes about a second; a slow machine is given more.
START_S = 20.0
#: The only variables the child is given: no proxies, no credentials.
_KEPT = ("PATH", "PYTHONPATH", "LANG", "LC_ALL", "SSL_CERT_FILE", "SSL_CERT_DIR", "SYSTEMROOT", "TZ")


def check_apprise(url: str, *, allowed: str, only_allowed: bool) -> str:
    """The address without its secrets; ValueError when Apprise does not know it."""
    answer = _run({"do": "check", "url": url, "allowed": allowed, "only_allowed": only_allowed}, START_S)
    if "error" in answer:
        raise ValueError(answer["error"])
    return str(answer["shown"])


def send_apprise(url: str, title: str, body: str, *, allowed: str, only_allowed: bool, timeout_s: float) -> None:
    """Send a message; NotSent says why it did not arrive."""
    asked = {
        "do": "send",
        "url": url,
        "title": title,
        "body": body,
        "allowed": allowed,
        "only_allowed": only_allowed,
    }
    answer = _run(asked, START_S + timeout_s)
    if "error" in answer:
        raise NotSent(answer["error"])


def _run(asked: dict[str, Any], timeout_s: float) -> dict[str, Any]:
    environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
    command = [sys.executable, "-m", "backend.channels.apprise_child"]
    try:
        done = subprocess.run(
            command, input=json.dumps(asked).encode(), capture_output=True, timeout=timeout_s, env=environment
        )
    except subprocess.TimeoutExpired:
        raise NotSent(f"no answer within {timeout_s:g} s") from None
    if done.returncode:
        raise NotSent("Apprise ended by itself: " + done.stderr.decode(errors="replace").strip().split("\n")[-1][:200])
    found: dict[str, Any] = json.loads(done.stdout)
    return found
