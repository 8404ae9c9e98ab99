"""The one error family. Raise these anywhere in the backend; `render` turns them into answers in one place.

SoiError
 |- NotAuthenticated 401   |- NotAllowed 403      |- NotFound 404
 |- Conflict 409           |- TooLarge 413        |- UnsupportedMediaType 415
 |- Malformed 400          |- Invalid 422         |- TooManyRequests 429
 |- Unavailable 503        |- OutOfSpace 507      |- UpstreamFailed 502 / UpstreamTimeout 504
"""

from __future__ import annotations

from typing import Any, ClassVar


class SoiError(Exception):
    """An error a caller can act on.

    `code` is a stable name (screens translate it, clients switch on it), `message` says what happened in
    English, `details` carries machine-readable facts, `retry_after_s` is sent as Retry-After.
    """

    status: ClassVar[int] = 500
    code: str = "internal"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        details: dict[str, Any] | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or type(self).code
        self.details = details or {}
        self.retry_after_s = retry_after_s

    def body(self) -> dict[str, Any]:
        """The JSON body of the answer: {"error": {"code", "message", "details"}}."""
        return {"error": {"code": self.code, "message": self.message, "details": self.details}}


class Malformed(SoiError):
    status, code = 400, "malformed"


class NotAuthenticated(SoiError):
    status, code = 401, "not_authenticated"


class NotAllowed(SoiError):
    status, code = 403, "not_allowed"


class NotFound(SoiError):
    status, code = 404, "not_found"


class Conflict(SoiError):
    status, code = 409, "conflict"


class TooLarge(SoiError):
    status, code = 413, "too_large"


class UnsupportedMediaType(SoiError):
    status, code = 415, "unsupported_media_type"


class Invalid(SoiError):
    status, code = 422, "invalid"


class TooManyRequests(SoiError):
    status, code = 429, "too_many_requests"


class UpstreamFailed(SoiError):
    status, code = 502, "upstream_failed"


class Unavailable(SoiError):
    status, code = 503, "unavailable"


class UpstreamTimeout(SoiError):
    status, code = 504, "upstream_timeout"


class OutOfSpace(SoiError):
    status, code = 507, "out_of_space"
