"""A route of the table whose endpoint runs without FastAPI's machinery: for the busiest routes only."""

from __future__ import annotations

from typing import Any

from fastapi import Request
from fastapi.routing import APIRoute
from starlette.types import Receive, Scope, Send


class RawRoute(APIRoute):
    """Calls its guards, then its endpoint, each with the request alone; the endpoint returns a Response.

    Solving dependencies and nesting exit stacks costs more than checking and storing one event. The route stands in
    the table like any other, with its guards in its dependency tree; errors go to the handlers of the app.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.dependant.query_params or self.dependant.body_params or self.dependant.path_params:
            raise TypeError(f"{self.path}: a raw route takes nothing but the request")
        guards = [dependency.call for dependency in self.dependant.dependencies]
        endpoint = self.endpoint

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            request = Request(scope, receive, send)
            for guard in guards:
                if guard is not None:
                    await guard(request)
            response = await endpoint(request)
            await response(scope, receive, send)

        self.app = app
