"""The web application of a study. Each rater has a link of an own, which cannot be guessed; without one there is nothing."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from dabench.errors import StoreError
from dabench.rating.session import BadRequestError, StudySession
from dabench.rating.store import Rater, StudyStore

MOST_BYTES = 20_000
"""Longest body of a request; answers are far shorter."""

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
}


class _Pages:
    """The handlers of requests. Whatever waits for the disk runs in a thread, while other requests go on."""

    def __init__(self, session: StudySession) -> None:
        self.session = session

    async def bare(self, request: Request) -> Response:
        """Lead from a link without its last slash to the page. The address is relative: another server may be in front."""
        rater = await self._rater(request)
        return Response(None, 307, {**HEADERS, "Location": f"{rater.token}/"}) if rater else _nothing()

    async def file(self, request: Request) -> Response:
        """Send a file of the page, an image, or the state of the rater."""
        rater = await self._rater(request)
        found = await run_in_threadpool(self.session.file, rater, request.path_params["name"]) if rater else None
        return Response(found[0], 200, HEADERS, found[1]) if found else _nothing()

    async def answer(self, request: Request) -> Response:
        """Keep an answer to an image."""
        return await self._keep(request, self.session.answer)

    async def about(self, request: Request) -> Response:
        """Keep what a rater says about themselves."""
        return await self._keep(request, self.session.about)

    async def _rater(self, request: Request) -> Rater | None:
        return await run_in_threadpool(self.session.rater, request.path_params["token"])

    async def _keep(self, request: Request, keep: Callable[[Rater, dict[str, Any]], dict[str, Any]]) -> Response:
        rater = await self._rater(request)
        if rater is None:
            return _nothing()
        try:
            return JSONResponse(await run_in_threadpool(keep, rater, await _body(request)), 200, HEADERS)
        except BadRequestError as e:
            return JSONResponse({"error": str(e)}, 400, HEADERS)
        except (sqlite3.Error, StoreError) as e:  # such as a full disk; the page sends the answer again
            return JSONResponse({"error": f"the answer cannot be kept now: {e}"}, 503, HEADERS)


def make_app(store: StudyStore) -> Starlette:
    """Return the application that serves a study."""
    pages = _Pages(StudySession(store))
    routes = [
        Route("/r/{token}", pages.bare, methods=["GET"]),
        Route("/r/{token}/answer", pages.answer, methods=["POST"]),
        Route("/r/{token}/about", pages.about, methods=["POST"]),
        Route("/r/{token}/{name:path}", pages.file, methods=["GET"]),
    ]
    app = Starlette(routes=routes, exception_handlers={404: _unknown, 405: _unknown})
    app.router.redirect_slashes = False
    return app


async def _unknown(request: Request, error: Exception) -> Response:
    return _nothing()


def _nothing() -> Response:
    return PlainTextResponse("This page does not exist. Use the link that you were given.\n", 404, HEADERS)


async def _body(request: Request) -> dict[str, Any]:
    """Return the JSON object of a request; raise BadRequestError if it is none."""
    content = bytearray()
    async for part in request.stream():
        content += part
        if len(content) > MOST_BYTES:
            raise BadRequestError(f"the request is longer than {MOST_BYTES} bytes")
    try:
        body = json.loads(content)
    except (ValueError, RecursionError) as e:
        raise BadRequestError("the request is not JSON") from e
    if not isinstance(body, dict):
        raise BadRequestError("the request is not a JSON object")
    return body
