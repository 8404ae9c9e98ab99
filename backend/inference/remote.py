"""Versions that answer elsewhere, over HTTP: an Open Inference Protocol server, TensorFlow Serving, TorchServe, or any
service that takes and gives plain JSON. Called from worker threads; the protocols themselves are in dialects."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

import httpx
import orjson

from backend.channels.addresses import AddressRefused, Allowed, resolve
from backend.inference.answers import Answer, BadOutput
from backend.inference.breaker import Breaker
from backend.inference.dialects import DIALECTS, Call
from backend.inference.loading import LoadFailed
from backend.inference.signature import Signature, Upstream

#: No answer about one thing is larger.
MAX_ANSWER_BYTES: Final = 4 * 2**20


class Unreachable(RuntimeError):
    """The upstream does not answer, or says that it cannot; `retry_after_s` when to ask again."""

    def __init__(self, message: str, retry_after_s: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Late(RuntimeError):
    """The upstream did not answer in time."""


class RemoteVersion:
    """A version behind an address. Its host is resolved and checked for each call, as for webhooks: addresses inside
    the network must be named in SOI_OUTGOING_ALLOWED."""

    def __init__(self, kind: str, signature: Signature, allowed: Allowed, timeout_s: float) -> None:
        if signature.upstream is None:
            raise LoadFailed(f"a version of kind {kind!r} needs an upstream in its signature")
        self.signature = signature
        self.upstream: Upstream = signature.upstream
        self._dialect = DIALECTS[kind]
        self._allowed = allowed
        self._timeout_s = min(self.upstream.timeout_s or timeout_s, timeout_s)
        self._breaker = Breaker()
        self._http = httpx.Client(
            trust_env=False,
            follow_redirects=False,
            timeout=self._timeout_s,
            limits=httpx.Limits(max_connections=self.upstream.concurrency),
        )
        try:
            self._pinned()
        except AddressRefused as error:
            raise LoadFailed(str(error)) from error

    def prepare(self, inputs: Mapping[str, Any], pictures: Sequence[bytes], max_pixels: int) -> Call:
        """The request that asks about one thing; BadInput when it does not fit."""
        return self._dialect.ask(self.signature, inputs, pictures, max_pixels)

    def run(self, call: Call) -> Any:
        """What the upstream says to it. Raises Unreachable, Late or BadOutput."""
        wait_s = self._breaker.closed_in(time.monotonic())
        if wait_s:
            raise Unreachable("the upstream failed again and again: it is left alone for a while", wait_s)
        try:
            status, body = self._post(call)
        except (httpx.TimeoutException, Late) as error:
            self._breaker.failed(time.monotonic())
            raise Late(f"no answer from the upstream within {self._timeout_s:g} s") from error
        except (httpx.HTTPError, AddressRefused) as error:
            self._breaker.failed(time.monotonic())
            raise Unreachable(f"the upstream does not answer: {type(error).__name__}"[:300]) from error
        if status >= 500 or status == 429:
            self._breaker.failed(time.monotonic())
            raise Unreachable(f"the upstream answered {status}{_said(body)}")
        self._breaker.succeeded()
        if not 200 <= status < 300:
            raise BadOutput(f"the upstream refused with {status}{_said(body)}")
        try:
            return orjson.loads(body)
        except orjson.JSONDecodeError:
            raise BadOutput("the upstream answered what is no JSON") from None

    def read(self, raw: Any) -> Answer:
        """Its answer, after checking that it is one to what was asked."""
        return self._dialect.read(self.signature, raw)

    def close(self) -> None:
        self._http.close()

    def _post(self, call: Call) -> tuple[int, bytes]:
        """Status and body, within the time limit as a whole and of bounded size."""
        until = time.monotonic() + self._timeout_s
        url, host = self._pinned()
        request = self._http.build_request(
            "POST",
            url.copy_with(path=url.path.rstrip("/") + call.path),
            content=call.body,
            headers={"Host": host, "Content-Type": call.media_type},
            extensions={"sni_hostname": httpx.URL(self.upstream.url).host},
        )
        answer = self._http.send(request, stream=True)
        try:
            parts, n_bytes = [], 0
            for part in answer.iter_bytes():
                parts.append(part)
                n_bytes += len(part)
                if n_bytes > MAX_ANSWER_BYTES:
                    raise BadOutput(f"the upstream's answer is larger than {MAX_ANSWER_BYTES} bytes")
                if time.monotonic() > until:
                    raise Late
            return answer.status_code, b"".join(parts)
        finally:
            answer.close()

    def _pinned(self) -> tuple[httpx.URL, str]:
        """The address to connect to, checked, and the host to ask for there."""
        url = httpx.URL(self.upstream.url)
        port = url.port or (443 if url.scheme == "https" else 80)
        return url.copy_with(host=resolve(self._allowed, url.host, port)), url.netloc.decode("ascii")


def _said(body: bytes) -> str:
    """The beginning of what an upstream says of its failure, in brackets; for our own log and callers."""
    text = " ".join("".join(one if one.isprintable() else " " for one in body[:200].decode("utf-8", "replace")).split())
    return f" ({text})" if text else ""
