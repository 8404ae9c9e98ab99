"""Reading request bodies of the logging door: kinds, sizes, and how much may be in memory at once."""

from __future__ import annotations

from typing import Literal

from starlette.requests import ClientDisconnect, Request

from backend.errors import TooLarge, Unavailable, UnsupportedMediaType

BodyKind = Literal["json", "ndjson", "arrow"]

_KINDS: dict[str, BodyKind] = {
    "application/json": "json",
    "text/json": "json",
    "application/x-ndjson": "ndjson",
    "application/ndjson": "ndjson",
    "application/jsonl": "ndjson",
    "application/x-jsonlines": "ndjson",
    "application/vnd.apache.arrow.stream": "arrow",
}
#: Bodies held by this process at most; parsed columns come on top, so the sum stays within 300 MB.
IN_FLIGHT_BYTES = 96 * 2**20


def body_kind(request: Request) -> BodyKind:
    """What the body claims to be; 415 for anything that the door does not read."""
    content_type = request.headers.get("content-type", "application/json")
    if content_type == "application/json":
        return "json"
    name, _, rest = content_type.partition(";")
    kind = _KINDS.get(name.strip().lower())
    charset = rest.strip().lower().removeprefix("charset=").strip('"')
    if kind is None or (charset and charset not in ("utf-8", "utf8") and "charset" in rest.lower()):
        raise UnsupportedMediaType(
            "send JSON, NDJSON or an Arrow stream, in UTF-8", details={"got": content_type[:100]}
        )
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise UnsupportedMediaType("the body must not be compressed")
    return kind


class BodyBudget:
    """Counts the bytes of bodies in flight and refuses more than the process may hold."""

    def __init__(self, limit: int = IN_FLIGHT_BYTES) -> None:
        self.limit = limit
        self.used = 0

    async def take(self, request: Request, max_bytes: int) -> bytes:
        """The body, accounted for until it is given back; 413 when too large, 503 when too much is in flight."""
        length = request.headers.get("content-length", "")
        if length.isdigit() and int(length) > max_bytes:
            raise _too_large(max_bytes)
        taken, is_more = 0, True
        parts: list[bytes] = []
        try:
            while is_more:
                message = await request.receive()
                if message["type"] == "http.disconnect":
                    raise ClientDisconnect
                part, is_more = message.get("body", b""), message.get("more_body", False)
                if self.used > 0 and self.used + len(part) > max(self.limit, taken + len(part)):
                    raise Unavailable("too many large requests at once", code="overloaded", retry_after_s=1)
                taken += len(part)
                self.used += len(part)
                if taken > max_bytes:
                    raise _too_large(max_bytes)
                parts.append(part)
        except BaseException:
            self.used -= taken
            raise
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def give_back(self, body: bytes) -> None:
        """Stop counting a body that was answered."""
        self.used -= len(body)


def _too_large(max_bytes: int) -> TooLarge:
    return TooLarge(f"the body is larger than {max_bytes} bytes", details={"max_bytes": max_bytes})
