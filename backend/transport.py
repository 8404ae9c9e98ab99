"""The calling side's HTTP: one small wrapper over httpx that every slice client uses. No server imports here."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import httpx
from pydantic import BaseModel

Shape = TypeVar("Shape", bound=BaseModel)


class ApiError(Exception):
    """An error answer of the API. `status` 0 means that no answer came."""

    def __init__(self, status: int, code: str, message: str, details: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.details = dict(details or {})


class Transport:
    """Sends requests, parses JSON, and raises ApiError for every answer that is not a success."""

    def __init__(self, http: httpx.Client) -> None:
        self.http = http

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        params = options.get("params")
        if params is not None:
            options["params"] = {name: value for name, value in params.items() if value is not None}
        try:
            answer = self.http.request(method, path, **options)
        except httpx.HTTPError as error:
            raise ApiError(0, "unreachable", f"the server did not answer: {error}") from error
        if answer.is_success:
            return answer
        raise _as_error(answer)

    def get(self, path: str, shape: type[Shape], **params: Any) -> Shape:
        return shape.model_validate_json(self.request("GET", path, params=params).content)

    def get_list(self, path: str, shape: type[Shape], **params: Any) -> list[Shape]:
        return [shape.model_validate(item) for item in self.request("GET", path, params=params).json()]

    def download(self, path: str, to: Path, **options: Any) -> int:
        """Stream an answer into a file, which appears when it is whole; returns its bytes."""
        params = {name: value for name, value in (options.pop("params", None) or {}).items() if value is not None}
        partial = to.with_name(to.name + ".part")
        try:
            with self.http.stream("GET", path, params=params, **options) as answer:
                if not answer.is_success:
                    answer.read()
                    raise _as_error(answer)
                with partial.open("wb") as file:
                    n_bytes = sum(file.write(piece) for piece in answer.iter_bytes())
        except httpx.HTTPError as error:
            raise ApiError(0, "unreachable", f"the server did not answer: {error}") from error
        partial.replace(to)
        return n_bytes

    def send(self, method: str, path: str, shape: type[Shape], body: BaseModel | None = None, **options: Any) -> Shape:
        if body is not None:
            options["json"] = body.model_dump(mode="json", exclude_unset=True)
        return shape.model_validate_json(self.request(method, path, **options).content)


def _as_error(answer: httpx.Response) -> ApiError:
    try:
        error = answer.json()["error"]
        if isinstance(error, str):  # the Open Inference Protocol's shape
            return ApiError(answer.status_code, "http_error", error)
        return ApiError(answer.status_code, error["code"], error["message"], error.get("details"))
    except (ValueError, KeyError, TypeError):
        return ApiError(answer.status_code, "http_error", f"the server answered {answer.status_code}")
