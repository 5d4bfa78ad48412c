"""What happens to every request: its host is checked, its answer counted."""

from collections.abc import Collection
from typing import Any
from urllib.parse import urlsplit

from starlette.responses import JSONResponse

from detic.errors import shown
from detic.serving.metrics import Metrics


class HostAndCount:
    """Middleware around an ASGI application.

    A page of any site can send requests to 127.0.0.1 once its own name leads there. Such requests have
    this name in their header ``Host``.

    Args:
        hosts: names that the service answers to; None: any.
    """

    def __init__(self, app: Any, metrics: Metrics, hosts: Collection[str] | None):
        self.app = app
        self.metrics = metrics
        self.hosts = hosts

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        status = 500

        async def noting_status(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            answer = self.app if self._is_known(scope) else self._other_host(scope)
            await answer(scope, receive, noting_status)
        finally:
            route = getattr(scope.get("route"), "path", "none")
            # Words that are no method of a route would be counted for ever
            is_asked = route != "none" and status != 405
            method = scope["method"] if is_asked else "any"
            self.metrics.count_request(method, route, status)

    def _is_known(self, scope: Any) -> bool:
        if self.hosts is None:
            return True
        try:
            return urlsplit(f"//{_host(scope)}").hostname in self.hosts
        except ValueError:
            return False

    def _other_host(self, scope: Any) -> JSONResponse:
        expected = ", ".join(sorted(self.hosts or ()))
        message = f"the header Host names {shown(_host(scope))}, the service answers to {expected}"
        return JSONResponse({"error": f"{message}; start it with --host to answer to others"}, 400)


def _host(scope: Any) -> str:
    return dict(scope["headers"]).get(b"host", b"").decode("latin-1")
