"""Serve a study with uvicorn. It and starlette are installed with the extra `human`."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
from typing import TYPE_CHECKING

from dabench.errors import SpecError
from dabench.rating.store import StudyStore

if TYPE_CHECKING:
    import uvicorn


def check_installed() -> None:
    """Raise SpecError if the packages that serve are not installed."""
    try:
        import starlette  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError as e:
        raise SpecError(
            f"dabench human serve needs the package {e.name}, which is not installed: pip install 'dabench[human]'; "
            "or write the page as files with dabench human page"
        ) from e


def listen(host: str, port: int) -> socket.socket:
    """Return a socket on which the server will listen. Raise SpecError if the address is not free or not of this machine."""
    if not 0 <= port <= 65_535:
        raise SpecError(f"--port {port}: must be 0 to 65535 (0: any free port)")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        found = socket.socket(family, kind, protocol)
    except OSError as e:
        raise SpecError(f"--host {host}: is not an address of this machine ({e.strerror or e}); omit it for 127.0.0.1") from e
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(address)
        found.listen(128)
    except OSError as e:
        found.close()
        raise SpecError(f"{host}, port {port}: cannot be used ({e.strerror or e}); give another one with --port") from e
    return found


def address_of(listening: socket.socket) -> str:
    """Return the address under which a browser reaches a socket; for all interfaces, the name of this machine."""
    host, port = listening.getsockname()[:2]
    ip = ipaddress.ip_address(host.partition("%")[0])
    name = socket.gethostname() if ip.is_unspecified else f"[{host}]" if ip.version == 6 else host
    return f"http://{name}:{port}"


def is_loopback(listening: socket.socket) -> bool:
    """Whether only this machine reaches a socket."""
    return ipaddress.ip_address(listening.getsockname()[0].partition("%")[0]).is_loopback


def make_server(store: StudyStore) -> uvicorn.Server:
    """Return the server of a study."""
    import uvicorn

    from dabench.rating.app import make_app

    config = uvicorn.Config(
        make_app(store), log_config=None, log_level="error", access_log=False, server_header=False, lifespan="off",
        timeout_graceful_shutdown=3,
    )  # fmt: skip  # no access log: it would have the links of the raters
    return uvicorn.Server(config)


def run(store: StudyStore, listening: socket.socket) -> None:
    """Serve until the process is interrupted."""
    with contextlib.suppress(KeyboardInterrupt):
        make_server(store).run(sockets=[listening])
