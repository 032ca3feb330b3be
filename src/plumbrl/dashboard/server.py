"""The server: on this machine alone, until it is interrupted."""

import errno
import os
import socket
import sys
import threading
import webbrowser
from collections.abc import Callable, Sequence
from pathlib import Path

import uvicorn

from plumbrl.dashboard.access import new_key
from plumbrl.dashboard.app import make_app
from plumbrl.errors import UserError

HOST = "127.0.0.1"


def serve(
    roots: Sequence[Path], port: int, tell: Callable[[str], None], *, show: bool = True
) -> None:
    """Serve the pages until interrupted.

    Args:
        roots: Folders that hold runs, or are one.
        port: 0 for a free one.
        tell: Is given the address as soon as it can be opened.
        show: Whether to open it in a browser, where there is a screen.

    Raises:
        UserError: A folder is not there, or the port is taken.
    """
    for root in roots:
        if not root.is_dir():
            raise UserError(f"there is no folder {root}.")
    key = new_key()
    app = make_app(roots, key)
    listener = _listener(port)
    address = f"http://{HOST}:{listener.getsockname()[1]}/?token={key}"
    config = uvicorn.Config(
        app, loop="asyncio", http="h11", ws="none", lifespan="on", log_level="warning",
        access_log=False, server_header=False, timeout_graceful_shutdown=1,
    )  # fmt: skip
    tell(address)
    if show and _has_screen():
        threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
    try:
        uvicorn.Server(config).run([listener])
    except KeyboardInterrupt:
        return
    finally:
        listener.close()


def _listener(port: int) -> socket.socket:
    """Return a socket that already listens: a browser may come before the server is ready."""
    if not 0 <= port < 1 << 16:
        raise UserError(f"--port must be from 0 to 65535; got {port}.")
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        listener.listen()
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise UserError(f"port {port} is in use; --port 0 takes a free one.") from None
        raise UserError(f"cannot use port {port}: {error.strerror}.") from None
    return listener


def _has_screen() -> bool:
    """Return whether a browser would open a window, and not take over this terminal."""
    known = sys.platform in ("darwin", "win32")
    return known or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
