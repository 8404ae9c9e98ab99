"""Which origins may act with a person's cookie, and which `next=` addresses are ours. Pure."""

from __future__ import annotations

from urllib.parse import urlsplit

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def is_own_origin(origin: str | None, host: str | None, trusted: frozenset[str]) -> bool:
    """Whether a request with this Origin header comes from a page of ours.

    >>> is_own_origin("http://soi.local:8300", "soi.local:8300", frozenset())
    True
    >>> is_own_origin("https://elsewhere.example", "soi.local:8300", frozenset())
    False
    """
    if not origin or origin == "null":
        return False
    if origin.rstrip("/").lower() in trusted:
        return True
    parts = urlsplit(origin)
    return parts.scheme in {"http", "https"} and bool(host) and parts.netloc.lower() == (host or "").lower()


def trusted_origins(public_url: str, listed: str) -> frozenset[str]:
    """Origins from the settings: the public address and the comma-separated list."""
    parts = urlsplit(public_url)
    own = f"{parts.scheme}://{parts.netloc}"
    return frozenset(item.strip().rstrip("/").lower() for item in [own, *listed.split(",")] if item.strip())


def local_path(target: str | None) -> str:
    """The path to go to after signing in; anything that could leave this site becomes "/".

    >>> local_path("/inspect?model=pcb")
    '/inspect?model=pcb'
    >>> local_path("//elsewhere.example")
    '/'
    """
    if not target or not target.startswith("/") or target.startswith(("//", "/\\")):
        return "/"
    if any(char < " " or char in "\\\x7f" for char in target) or target.startswith("/login"):
        return "/"
    return target
