"""Signed webhooks: one POST to an address that was resolved and checked once, without redirects, without proxies from
the environment, with a cap on time and on what is read of the answer.

The receiver checks `Soi-Signature: t=<Unix time>,v1=<hex>`, where v1 is HMAC-SHA256 with the channel's secret over
"<t>.<body>"; it refuses old times, and drops a `Soi-Message-Id` that it has seen.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx

from backend.channels.addresses import AddressRefused, Allowed, resolve

SIGNATURE, MESSAGE_ID = "Soi-Signature", "Soi-Message-Id"
#: No more of an answer is read: it is only shown in an error.
MAX_ANSWER_BYTES = 4_096
MAX_AGE_S = 300


class NotSent(RuntimeError):
    """The message did not arrive; the text says why, without secrets."""


@dataclass(frozen=True, slots=True)
class Hook:
    """A receiver: its address and the secret that signs."""

    url: str
    secret: str


def sign(secret: str, timestamp: int, body: bytes) -> str:
    """The value of the signature header.

    >>> sign("s", 1, b"{}")[:9]
    't=1,v1=60'
    """
    digest = hmac.new(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={timestamp},v1={digest}"


def verify(secret: str, header: str, body: bytes, now: float) -> bool:
    """What a receiver does: the signature fits, and is not older than MAX_AGE_S."""
    fields = dict(part.partition("=")[::2] for part in header.split(","))
    if not fields.get("t", "").isdigit() or abs(now - int(fields["t"])) > MAX_AGE_S:
        return False
    return hmac.compare_digest(sign(secret, int(fields["t"]), body), header)


def check_url(url: str) -> None:
    """Raise ValueError for what is no address of a webhook."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("a webhook's address begins with https:// or http:// and names a host")
    if parts.username or parts.password or parts.fragment:
        raise ValueError("a webhook's address carries no password and no fragment: requests are signed instead")
    _ = parts.port  # raises ValueError when it is no port


def send_webhook(hook: Hook, message_id: str, body: bytes, allowed: Allowed, timeout_s: float) -> None:
    """POST a JSON body; NotSent or AddressRefused unless the receiver answers 2xx in time."""
    asyncio.run(_send(hook, message_id, body, allowed, timeout_s))


async def _send(hook: Hook, message_id: str, body: bytes, allowed: Allowed, timeout_s: float) -> None:
    try:
        async with asyncio.timeout(timeout_s):
            await _post(hook, message_id, body, allowed, timeout_s)
    except TimeoutError:
        raise NotSent(f"no answer within {timeout_s:g} s") from None
    except httpx.HTTPError as error:
        raise NotSent(f"{type(error).__name__}: {error}"[:300]) from error


async def _post(hook: Hook, message_id: str, body: bytes, allowed: Allowed, timeout_s: float) -> None:
    url = httpx.URL(hook.url)
    port = url.port or (443 if url.scheme == "https" else 80)
    address = await asyncio.to_thread(resolve, allowed, url.host, port)
    now = int(time.time())
    headers = {
        "Host": url.netloc.decode("ascii"),
        "Content-Type": "application/json",
        "User-Agent": "soi-webhook/1",
        SIGNATURE: sign(hook.secret, now, body),
        MESSAGE_ID: message_id,
    }
    async with httpx.AsyncClient(trust_env=False, follow_redirects=False, timeout=timeout_s) as client:
        request = client.build_request(
            "POST",
            url.copy_with(host=address),
            content=body,
            headers=headers,
            extensions={"sni_hostname": url.host},
        )
        answer = await client.send(request, stream=True)
        try:
            if answer.is_success:
                return
            said = await _read_some(answer)
        finally:
            await answer.aclose()
    raise NotSent(f"the receiver answered {answer.status_code}: {said}"[:300])


async def _read_some(answer: httpx.Response) -> str:
    read = b""
    async for piece in answer.aiter_raw():
        read += piece
        if len(read) >= MAX_ANSWER_BYTES:
            break
    text = read[:200].decode("utf-8", "replace")
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


__all__ = ["AddressRefused", "Hook", "NotSent", "check_url", "send_webhook", "sign", "verify"]
