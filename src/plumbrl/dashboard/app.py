"""Addresses, and what is answered there."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from plumbrl.dashboard.access import HOSTS, REPLAY_POLICY, Gate, Headers
from plumbrl.dashboard.parts import Page, asset, part
from plumbrl.dashboard.run_page import DOWNLOADS, FRAME, is_episode
from plumbrl.dashboard.views import Views
from plumbrl.errors import UserError
from plumbrl.report.page.markup import Markup, tag

ASSETS = {"page.css": "text/css", "dashboard.css": "text/css", "page.js": "text/javascript",
          "live.js": "text/javascript"}  # fmt: skip
CHUNK = 256 * 1024


def make_app(roots: Sequence[Path], key: str) -> Starlette:
    """Return the application.

    Args:
        roots: Folders that hold runs, or are one.
        key: That opens it.
    """
    views = Views(roots)

    @asynccontextmanager
    async def closing(_: Starlette) -> AsyncIterator[None]:
        yield
        views.close()

    routes = [
        Route("/", _runs),
        Route("/changes", _runs),
        Route("/compare", _compare),
        Route("/compare/changes", _compare),
        Route("/run/{id}", _run),
        Route("/run/{id}/changes", _run),
        Route("/run/{id}/files/{name}", _file),
        Route("/run/{id}/episodes/{name}", _episode),
        Route("/assets/{name}", _asset),
    ]
    guards = [
        Middleware(Headers),
        Middleware(TrustedHostMiddleware, allowed_hosts=HOSTS, www_redirect=False),
        Middleware(Gate, key=key),
    ]
    app = Starlette(
        routes=routes, middleware=guards, lifespan=closing,
        exception_handlers={UserError: _missing, HTTPException: _refused},
    )  # fmt: skip
    app.state.views = views
    return app


async def _runs(request: Request) -> Response:
    return _answer(request, _views(request).runs())


async def _run(request: Request) -> Response:
    return _answer(request, await _views(request).run(request.path_params["id"]))


async def _compare(request: Request) -> Response:
    return _answer(request, await _views(request).compare(request.query_params.getlist("run")))


def _views(request: Request) -> Views:
    return request.app.state.views


def _answer(request: Request, page: Page) -> Response:
    """Return a page, or, where changes are asked for, what has changed of it."""
    if not request.url.path.endswith("/changes"):
        return HTMLResponse(page.html())
    headers = {"ETag": page.etag}
    if request.headers.get("if-none-match") == page.etag:
        return Response(status_code=304, headers=headers)
    have = set(request.query_params.get("have", "").split("."))
    return JSONResponse(page.changes(have), headers=headers)


async def _file(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in DOWNLOADS:
        raise UserError(f"{name} is not handed out here.")
    return _sent(_views(request).file(request.path_params["id"], name))


async def _episode(request: Request) -> Response:
    name = f"episodes/{request.path_params['name']}"
    if not is_episode(name):
        raise UserError(f"{name} is no episode.")
    path = _views(request).file(request.path_params["id"], name)
    if path.suffix != ".html":
        return _sent(path)
    headers = {"Content-Security-Policy": REPLAY_POLICY}
    return StreamingResponse(_chunks(_opened(path)), media_type="text/html", headers=headers)


def _sent(path: Path) -> Response:
    """Return a file to be saved under its own name."""
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(path.name)}"}
    body = _chunks(_opened(path))
    return StreamingResponse(body, media_type="application/octet-stream", headers=headers)


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise UserError(f"Cannot read {path.name}: {error.strerror}.") from None


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    """Yield a file piece by piece; its length is not promised, for it may still grow."""
    with file:
        while data := file.read(CHUNK):
            yield data


async def _asset(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in ASSETS:
        raise HTTPException(404)
    return Response(asset(name), media_type=ASSETS[name])


async def _missing(request: Request, error: Exception) -> Response:
    return _sentence(request, str(error), 404)


async def _refused(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    return _sentence(request, "There is no such page here.", status)


def _sentence(request: Request, said: str, status: int) -> Response:
    if request.url.path.endswith("/changes"):
        return JSONResponse({"error": said}, status)
    back = tag("p", tag("a", "All runs", href="/"))
    shown = part("head", "section", tag("h1", "Not here"), tag("p", said, class_="lead"), back,
                 class_="overview")  # fmt: skip
    page = Page("Not here · plumbrl", {"main": [shown]}, "", Markup(), FRAME)
    return HTMLResponse(page.html(), status)
