"""The service over HTTP."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Collection, Coroutine
from contextlib import asynccontextmanager
from typing import Annotated, Any, TypeVar

from fastapi import Depends, FastAPI, HTTPException, Query, Request, Response, Security
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.requests import ClientDisconnect

from detic.errors import InputError, in_short
from detic.serving.api_examples import (
    DETECT_BODY,
    DETECTED,
    METRICS,
    MODELS,
    STORED,
    VOCABULARIES,
    VOCABULARY,
    VOCABULARY_BODY,
    errors,
)
from detic.serving.limits import HTTPError, Reservation
from detic.serving.middleware import HostAndCount
from detic.serving.page import read_page
from detic.serving.requests import DetectOptions, content_type, limited_body, read_request
from detic.serving.service import DetectParams, Service
from detic.serving.uploads import parse_upload
from detic.serving.vocabularies import DEFAULT, ServedVocabulary
from detic.vocabulary.names import as_file_items
from detic_commands import __version__

T = TypeVar("T")

TOKEN_HINT = "send the header Authorization: Bearer TOKEN, with the token of the service"
VOCABULARY_FILES = {  # by type of content
    "application/json": "body.json",
    "application/yaml": "body.yaml",
    "application/x-yaml": "body.yaml",
    "text/yaml": "body.yaml",
    "text/plain": "body.txt",
}
SUMMARY_LINE = "Detect the objects of any vocabulary in images."


def create_app(
    service: Service, *, token: str | None = None, hosts: Collection[str] | None = None
) -> FastAPI:
    """Return the application that answers for a service.

    Args:
        service: is drained with the application's end.
        token: that requests have to bring; None: none.
        hosts: names that it answers to, without ports; None: any.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        await service.drain()

    app = FastAPI(
        title="Detic",
        version=__version__,
        summary=SUMMARY_LINE,
        lifespan=lifespan,
        docs_url=None,  # these pages load scripts from elsewhere
        redoc_url=None,
    )
    app.add_middleware(HostAndCount, metrics=service.metrics, hosts=hosts)
    _add_errors(app)
    _add_open_routes(app, service)
    checked = [Depends(_token_check(token))]
    _add_detection(app, service, checked)
    _add_vocabularies(app, service, checked)
    _add_facts(app, service, checked)
    return app


def _token_check(token: str | None) -> Any:
    bearer = HTTPBearer(auto_error=False, description="The value of DETIC_TOKEN, if there is one.")

    async def check(
        given: Annotated[HTTPAuthorizationCredentials | None, Security(bearer)],
    ) -> None:
        if token is None:
            return
        sent = "" if given is None else given.credentials
        if not secrets.compare_digest(sent.encode(), token.encode()):
            raise HTTPException(401, TOKEN_HINT, {"WWW-Authenticate": "Bearer"})

    return check


def _add_errors(app: FastAPI) -> None:
    """Answer every error with a JSON object ``{"error": "..."}``."""

    @app.exception_handler(HTTPError)
    def tell(request: Request, error: HTTPError) -> Response:
        return _error(error.status, str(error), error.headers)

    @app.exception_handler(InputError)
    def tell_input(request: Request, error: InputError) -> Response:
        return _error(422, str(error))

    @app.exception_handler(RequestValidationError)
    def tell_value(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"] if part not in ("query", "body"))
        return _error(422, f"{in_short(place)}: {first['msg']}")

    @app.exception_handler(StarletteHTTPException)
    def tell_status(request: Request, error: StarletteHTTPException) -> Response:
        return _error(error.status_code, str(error.detail), error.headers)

    @app.exception_handler(ClientDisconnect)
    def give_up(request: Request, error: ClientDisconnect) -> Response:
        return _error(400, "the client went away")  # which no one reads

    @app.exception_handler(Exception)
    def fail(request: Request, error: Exception) -> Response:
        return _error(500, "the service has a defect; its log has more")


def _error(status: int, message: str, headers: Any = None) -> Response:
    text = message.encode(errors="backslashreplace").decode()  # halves of characters
    return JSONResponse({"error": text}, status, headers)


def _add_open_routes(app: FastAPI, service: Service) -> None:
    """Add what needs no token."""
    page, headers = read_page()

    @app.get("/", include_in_schema=False)
    async def show_page() -> Response:
        return HTMLResponse(page, headers=headers)

    @app.get("/healthz", summary="Whether the process lives", tags=["state"])
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/readyz", summary="Whether it takes requests", tags=["state"], responses=errors(503))
    async def ready() -> Response:
        if not service.is_ready:
            return _error(503, "the service takes no more requests", {"Retry-After": "5"})
        return JSONResponse({"status": "ready"})


def _add_detection(app: FastAPI, service: Service, checked: list) -> None:

    @app.post(
        "/v1/detect",
        summary="Detect in an image",
        dependencies=checked,
        responses=DETECTED,
        openapi_extra=DETECT_BODY,
        tags=["detection"],
    )
    async def detect(request: Request, query: Annotated[DetectOptions, Query()]) -> Response:
        starts_s = time.monotonic()
        with service.admission.entered(_client(request)) as reservation:
            content = await _detect(service, request, query, reservation)
        service.metrics.count_answer(time.monotonic() - starts_s)
        return Response(content, media_type="application/json")


async def _detect(
    service: Service, request: Request, query: DetectOptions, reservation: Reservation
) -> bytes:
    limits = service.options.limits
    reading = read_request(request, query, limits, reservation)
    read = await _arrived(reading, limits.timeout_s)

    async def found() -> bytes:
        options = read.options
        # The vocabulary is taken here, once: whatever is stored later is another one.
        vocabulary = await service.vocabulary_of(options.vocabulary, options.names)
        image = read.image
        if read.url is not None:
            image = await service.fetch(read.url, reservation)
        threshold = service.detector.threshold if options.threshold is None else options.threshold
        params = DetectParams(vocabulary, threshold, options.masks)
        return await service.find(image, params, reservation)

    return await _answered(service, found())


async def _answered(service: Service, work: Coroutine[Any, Any, T]) -> T:
    """Return what comes of a request whose body has arrived.

    Raises:
        HTTPError: it takes too long.
    """
    timeout_s = service.options.limits.timeout_s
    try:
        return await asyncio.wait_for(work, timeout_s)
    except asyncio.TimeoutError as error:
        raise service.admission.busy(f"no answer within {timeout_s:g} s") from error


async def _arrived(reading: Coroutine[Any, Any, T], timeout_s: float) -> T:
    """Return what is read from a body.

    Raises:
        HTTPError: it takes too long.
    """
    try:
        return await asyncio.wait_for(reading, timeout_s)
    except asyncio.TimeoutError as error:
        raise HTTPError(408, f"the body did not arrive within {timeout_s:g} s") from error


def _client(request: Request) -> str:
    return request.client.host if request.client else ""


def _add_vocabularies(app: FastAPI, service: Service, checked: list) -> None:
    vocabularies = service.vocabularies
    common: dict[str, Any] = {"dependencies": checked, "tags": ["vocabularies"]}
    path = "/v1/vocabularies/{id}"

    @app.get("/v1/vocabularies", summary="List the vocabularies", responses=VOCABULARIES, **common)
    async def list_all() -> dict[str, Any]:
        return {"vocabularies": vocabularies.summaries()}

    @app.get(path, summary="Read a vocabulary", responses=VOCABULARY, **common)
    async def read(id: str) -> dict[str, Any]:
        vocabulary = vocabularies.get(id)
        return {**vocabulary.summary(), "classes": as_file_items(vocabulary.classes)}

    @app.put(
        path,
        summary="Store a vocabulary",
        responses=STORED,
        openapi_extra=VOCABULARY_BODY,
        **common,
    )
    async def store(id: str, request: Request) -> Response:
        with service.admission.entered(_client(request)) as reservation:
            text, file_name = await _vocabulary_file(service, request, reservation)
            limits = service.options.limits

            async def put() -> tuple[ServedVocabulary, bool]:
                upload = await asyncio.to_thread(parse_upload, text, file_name, limits)
                return await vocabularies.put(id, upload)

            vocabulary, is_new = await _answered(service, put())
        return JSONResponse(vocabulary.summary(), 201 if is_new else 200)

    @app.delete(
        path,
        summary="Forget a vocabulary; of the default one, what replaced it",
        status_code=204,
        responses=errors(401, 404, 422, 503),
        **common,
    )
    async def delete(id: str) -> None:
        await vocabularies.delete(id)


async def _vocabulary_file(
    service: Service, request: Request, reservation: Reservation
) -> tuple[str, str]:
    """Return the text of a vocabulary, and what a file of its format may be called."""
    limits = service.options.limits
    file_name = VOCABULARY_FILES.get(content_type(request))
    if file_name is None:
        raise HTTPError(415, f"the body is no vocabulary; send {', '.join(VOCABULARY_FILES)}")
    holds_images = file_name == VOCABULARY_FILES["application/json"]
    most = limits.max_body_bytes if holds_images else limits.max_vocabulary_bytes
    parts = limited_body(request, most, reservation)

    async def joined() -> bytes:
        return b"".join([part async for part in parts])

    content = await _arrived(joined(), limits.timeout_s)
    try:
        return content.decode("utf-8-sig"), file_name
    except UnicodeDecodeError as error:
        raise HTTPError(400, f"the body is not UTF-8: {error}") from error


def _add_facts(app: FastAPI, service: Service, checked: list) -> None:
    common: dict[str, Any] = {"dependencies": checked, "tags": ["state"]}

    @app.get("/v1/models", summary="List the models", responses=MODELS, **common)
    async def list_models() -> dict[str, Any]:
        facts = {"threshold": service.detector.threshold, "vocabulary": DEFAULT}
        return {"models": [service.model | facts]}

    @app.get(
        "/metrics",
        summary="Counts for Prometheus",
        responses=METRICS,
        response_class=PlainTextResponse,
        **common,
    )
    async def metrics() -> Response:
        return PlainTextResponse(service.metrics.text(), media_type="text/plain; version=0.0.4")
