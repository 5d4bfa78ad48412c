"""The service from its parsed arguments to its end."""

import argparse
import logging
import math
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from detic.demo.arguments import chosen_vocabulary
from detic.demo.run import build_detector
from detic.errors import InputError
from detic.freed_memory import keep_freed_memory
from detic.serving.addresses import check_prefix
from detic.serving.limits import MIB, Limits
from detic.serving.served_detector import LocalDetector, ServedDetector
from detic.serving.service import Service, ServiceOptions

if TYPE_CHECKING:
    import uvicorn

TOKEN = "DETIC_TOKEN"  # environment: what requests have to bring
LOOPBACK = frozenset(("localhost", "127.0.0.1", "::1"))
PACKAGES = ("fastapi", "uvicorn", "python_multipart")
EXPORTED = (".onnx", ".xml")  # files of `detic export` that are served
FIXED_BY_EXPORT = ("precision", "half", "compile", "pred_all_class", "opts")  # arguments
ENDING = (signal.SIGINT, signal.SIGTERM)
MIN_TOKEN_LENGTH = 8
MAX_HEAD_BYTES = 64 * 2**10  # of a request's address, with its query, and its headers
_BACKLOG = 2048  # connections that the system holds back

logger = logging.getLogger(__name__)


def serve(args: argparse.Namespace) -> int:
    """Answer requests until a signal ends it; return the exit status.

    Args:
        args: of ``detic serve``.

    Raises:
        InputError: a package is missing, or the arguments contradict each other.
    """
    check_packages()
    token = read_token()
    options = service_options(args)
    keep_freed_memory()
    with listening(args.host, args.port) as listener:  # a port in use shows before weights are read
        service = Service(*served(args, options))
        _tell(listener, args.host, token)
        _run(service, listener, args.host, token)
    return 0


def served(
    args: argparse.Namespace, options: ServiceOptions
) -> tuple[ServedDetector, ServiceOptions]:
    """Return the detector that the arguments name, and the options that suit it."""
    path = Path(args.model or "")
    if path.suffix in EXPORTED:
        return _exported(args, path), replace(options, max_batch=1)  # it takes no more at a time
    detector = build_detector(args, chosen_vocabulary(args))
    return LocalDetector(detector, args.model or Path(args.config_file).stem), options


def _exported(args: argparse.Namespace, path: Path) -> ServedDetector:
    """Return the detector of an exported file.

    Raises:
        InputError: an argument would change what the file fixes.
    """
    fixed = [f"--{name.replace('_', '-')}" for name in FIXED_BY_EXPORT if getattr(args, name)]
    if args.device not in (None, "cpu"):
        fixed.append("--device")
    if fixed:
        raise InputError(f"{', '.join(fixed)}: {path} was exported as it is; leave it out")
    from detic.serving.exported import ExportedDetector

    vocabulary = chosen_vocabulary(argparse.Namespace(**vars(args) | {"model": None}))
    return ExportedDetector(path, vocabulary, args.confidence_threshold)


def check_packages() -> None:
    """Raise InputError if a package is missing."""
    for package in PACKAGES:
        try:
            import_module(package)
        except ImportError as error:
            raise InputError(
                f"serving needs the package {package.replace('_', '-')}; install all it needs with "
                "`pip install fastapi uvicorn python-multipart`"
            ) from error


def read_token() -> str | None:
    """Return the token that requests have to bring, None if there is none.

    Raises:
        InputError: it is one that is guessed, or that no header can hold.
    """
    token = os.environ.get(TOKEN)
    if token is None:
        return None
    if (
        len(token) < MIN_TOKEN_LENGTH
        or not token.isascii()
        or not token.isprintable()
        or " " in token
    ):
        raise InputError(
            f"{TOKEN} is no token; expected {MIN_TOKEN_LENGTH} or more printable ASCII characters "
            "without spaces, such as `openssl rand -hex 16` prints"
        )
    return token


def service_options(args: argparse.Namespace) -> ServiceOptions:
    """Return how the service works by its arguments."""
    limits = Limits(
        max_body_bytes=args.max_body * MIB,
        max_pixels=args.max_pixels,
        max_texts=args.max_names,
        max_requests=args.max_requests,
        max_per_client=args.max_per_client,
        timeout_s=args.timeout,
    )
    return ServiceOptions(
        limits=limits,
        max_batch=args.max_batch,
        vocabulary_folder=args.vocabularies and args.vocabularies.expanduser(),
        url_prefixes=tuple(map(check_prefix, args.allow_url)),
        private_names=args.allow_private,
    )


def listening(host: str, port: int) -> socket.socket:
    """Return a socket that listens.

    Raises:
        InputError: the address is none of this machine's, or is in use.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(
            f"cannot answer on {host}, port {port}: {reason}; choose others with --host and --port"
        ) from error


def _tell(listener: socket.socket, host: str, token: str | None) -> None:
    name = f"[{host}]" if ":" in host else host
    address = f"http://{name}:{listener.getsockname()[1]}"
    logger.info("ready: the page is %s, the API %s/openapi.json", address, address)
    if host not in LOOPBACK and token is None:
        logger.warning("anyone who reaches this machine can use it: no %s is set", TOKEN)


def _run(service: Service, listener: socket.socket, host: str, token: str | None) -> None:
    from detic.serving.app import create_app

    app = create_app(service, token=token, hosts=LOOPBACK if host in LOOPBACK else None)
    with _signals_that_end_nothing_more():
        http_server(app, service.options.limits).run(sockets=[listener])


def http_server(app: Any, limits: Limits) -> "uvicorn.Server":
    """Return the server of an ASGI application."""
    import uvicorn

    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # anyone can send them
        h11_max_incomplete_event_size=MAX_HEAD_BYTES,
        timeout_graceful_shutdown=ending_s(limits),
    )
    return uvicorn.Server(config)


def ending_s(limits: Limits) -> int:
    """Return the seconds that the last requests have: for their bodies, and then for their answers."""
    return math.ceil(2 * limits.timeout_s) + 1


@contextmanager
def _signals_that_end_nothing_more() -> Iterator[None]:
    """Ignore the signals that uvicorn raises once more after it has answered all and ended."""
    handlers = {number: signal.signal(number, signal.SIG_IGN) for number in ENDING}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
