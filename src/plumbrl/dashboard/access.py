"""Who may see the pages: whoever has the key, from this machine, from pages of this server."""

from secrets import compare_digest, token_urlsafe

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from plumbrl.report.page.markup import tag

HOSTS = ["127.0.0.1", "localhost"]
"""Names by which a browser may call this server; any other is a foreign page that had its name
point here."""
POLICY = (
    "default-src 'none'; script-src 'self'; style-src-elem 'self'; style-src-attr 'unsafe-inline'; "
    "connect-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
"""Charts are placed by style attributes; no style sheet or script but ours is loaded."""
REPLAY_POLICY = (
    "sandbox allow-scripts allow-downloads; default-src data: blob: 'unsafe-inline' "
    "'unsafe-eval' 'wasm-unsafe-eval'; connect-src data: blob:; form-action 'none'; base-uri 'none'"
)
"""Pages from a run folder run their own scripts, in an origin of their own: they see nothing of
ours and reach no network."""
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
REFUSED = "Open the address that plumbrl serve has printed; it holds the key to this page."


def new_key() -> str:
    """Return a key that cannot be guessed."""
    return token_urlsafe(24)


class Headers:
    """Adds what tells browsers to be strict to every answer that does not say otherwise."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""

        async def strictly(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, strictly)


class Gate:
    """Lets those through who bring the key: first in the address, from then on as a cookie.

    Args:
        app: What is behind it.
        key: Of this server.
    """

    def __init__(self, app: ASGIApp, key: str) -> None:
        self._app = app
        self._key = key

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or let it through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        # Cookies are shared by all ports of a host, and two servers may run side by side.
        cookie = f"plumbrl-{(scope.get('server') or ('', 0))[1]}"
        if self._fits(request.query_params.get("token")):
            await self._welcome(request, cookie)(scope, receive, send)
        elif self._fits(request.cookies.get(cookie)):
            await self._app(scope, receive, send)
        else:
            page = tag("p", REFUSED)
            await HTMLResponse(f"<!DOCTYPE html>{page}", 403)(scope, receive, send)

    def _fits(self, given: str | None) -> bool:
        return given is not None and compare_digest(given.encode(), self._key.encode())

    def _welcome(self, request: Request, cookie: str) -> Response:
        """Keep the key as a cookie, and have the browser come again without it in the address.

        A redirection would count as coming from wherever the address was clicked, and the browser
        would hold the cookie back.
        """
        again = request.url.remove_query_params("token")
        path = f"/{again.path.lstrip('/')}"  # two slashes would name another host
        to = f"{path}?{again.query}" if again.query else path
        page = tag("meta", http_equiv="refresh", content=f"0; url={to}")
        answer = HTMLResponse(f"<!DOCTYPE html>{page}")
        answer.set_cookie(cookie, self._key, httponly=True, samesite="strict", path="/")
        return answer
