"""Taking a port, or saying in one line why it cannot be had."""

import os
import socket

from tfdomain.errors import InputError, TfdomainError

__all__ = ["bind_port", "join_address", "port_error", "reachable_host"]


def bind_port(host: str, port: int, flag: str) -> socket.socket:
    """A listening socket on a port; 0 takes a free one.

    Args:
        host: The address to listen on.
        port: The port.
        flag: The option that names the port, for the error.

    Raises:
        InputError: The host is no address of this machine.
        TfdomainError: The port is in use or not allowed.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        raise InputError(f"{host} is no address of this machine ({error})", where="--host") from error
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        # Listening is what a port in use by a listener refuses on every platform.
        bound.listen(2048)
    except OSError as error:
        bound.close()
        raise port_error(port, flag, os.strerror(error.errno or 0)) from error
    return bound


def port_error(port: int, flag: str, reason: str) -> TfdomainError:
    """The one-line error for a port that cannot be had."""
    return TfdomainError(
        f"port {port} cannot be used ({reason.lower()})",
        where=flag,
        mend=f"stop what uses it, or choose another with {flag} (0 takes a free one)",
    )


def join_address(host: str, port: int) -> str:
    """`host:port`, with brackets around an IPv6 address."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def reachable_host(host: str) -> str:
    """The address at which a client on this machine finds a server that listens on `host`."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
