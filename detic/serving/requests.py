"""Requests for detection: an image and options, however they were sent."""

import csv
import logging
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any

import orjson
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from detic.errors import in_short
from detic.serving.answers import MaskFormat
from detic.serving.limits import (
    HTTPError,
    Limits,
    Reservation,
    check_num_texts,
    check_size,
    within,
)

logger = logging.getLogger(__name__)

MAX_FIELDS = 2100  # of a form
IMAGE_PART = "image"
QUOTES = 'write a name with commas as "wine, red", and quotes in it twice'


class DetectOptions(BaseModel):
    """The options of a request, in the query, the fields of a form, or a JSON body."""

    model_config = ConfigDict(extra="forbid")

    vocabulary: Annotated[
        str | None, Field(description="Id of a stored vocabulary.", examples=["default"])
    ] = None
    names: Annotated[
        list[str],
        Field(
            fail_fast=True,  # a million wrong ones would be a million errors
            description="Class names to look for instead; in the query and in forms separated by "
            "commas; a name with commas is in quotes.",
            examples=[['red star,"wine, red"']],
        ),
    ] = []
    threshold: Annotated[
        float | None,
        Field(
            ge=0,
            le=1,
            description="Lowest score of classes without one of their own; by default the service's.",
            examples=[0.5],
        ),
    ] = None
    masks: Annotated[
        MaskFormat, Field(description="As COCO's run lengths, as outlines, or not at all.")
    ] = MaskFormat.NONE


@dataclass(frozen=True)
class DetectRequest:
    """A request for detection as it was read."""

    options: DetectOptions
    image: bytes = b""  # the content of its file
    url: str | None = None  # where it is instead


async def read_request(
    request: Request, query: DetectOptions, limits: Limits, reservation: Reservation
) -> DetectRequest:
    """Return a request as it was read.

    Args:
        query: the options of its address; those of its body go before them.
        reservation: holds what is read.

    Raises:
        HTTPError: its body is malformed or too large, or has too many names.
        RequestValidationError: an option has another value.
    """
    kind = content_type(request)
    is_json = kind == "application/json"  # it holds an address in place of an image
    most = limits.max_vocabulary_bytes if is_json else limits.max_body_bytes
    body = limited_body(request, most, reservation)
    query = query.model_copy(update={"names": _split(query.names, limits)})
    if kind == "multipart/form-data":
        with _full_disk_told(reservation):
            return await _read_form(request, body, query, limits)
    content = b"".join([part async for part in body])
    if is_json:
        return _read_json(content, query)
    return DetectRequest(query, image=content)


def content_type(request: Request) -> str:
    """Return what a request says its body is, "" if it does not."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def limited_body(
    request: Request, max_bytes: int, reservation: Reservation
) -> AsyncGenerator[bytes, None]:
    """Return the parts of a body as they come.

    Raises:
        HTTPError: it is too large, or says that it will be.
    """
    length = request.headers.get("content-length", "")
    if length.isdecimal():
        check_size(int(length[:20]), max_bytes)
    return within(request.stream(), max_bytes, reservation)


@contextmanager
def _full_disk_told(reservation: Reservation) -> Iterator[None]:
    """Log the errors of the disk that large files of forms are kept on until they are read."""
    try:
        yield
    except OSError as error:
        logger.error("%s", error)
        raise reservation.busy("the service cannot write to its disk, its log says why") from error


async def _read_form(
    request: Request, body: AsyncGenerator[bytes, None], query: DetectOptions, limits: Limits
) -> DetectRequest:
    parser = MultiPartParser(
        request.headers,
        body,
        max_files=1,
        max_fields=MAX_FIELDS,
        max_part_size=limits.max_vocabulary_bytes,
    )
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise HTTPError(400, f"the form is malformed: {error.message}") from error
    except (KeyError, ValueError, AssertionError, LookupError) as error:  # headers without meaning
        raise HTTPError(400, "the form is malformed") from error
    try:
        image = form.get(IMAGE_PART)
        if not isinstance(image, UploadFile):
            raise HTTPError(400, f"the form has no file `{IMAGE_PART}`")
        options = _merged(query, _fields(form, limits))
        return DetectRequest(options, image=await image.read())
    finally:
        await form.close()


def _fields(form: FormData, limits: Limits) -> dict[str, Any]:
    """Return the fields of a form besides the image; `names` may be there more than once."""
    fields: dict[str, Any] = {key: value for key, value in form.items() if key != IMAGE_PART}
    if "names" in fields:
        fields["names"] = _split([str(text) for text in form.getlist("names")], limits)
    return fields


def _read_json(content: bytes, query: DetectOptions) -> DetectRequest:
    try:
        fields = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise HTTPError(400, f"the body is no JSON: {error}") from error
    if not isinstance(fields, dict):
        raise HTTPError(400, "the body is no JSON object")
    url = fields.pop("url", None)
    if not isinstance(url, str):
        raise HTTPError(400, "the JSON object has no text `url`; send images as they are")
    return DetectRequest(_merged(query, fields), url=url)


def _merged(query: DetectOptions, fields: dict[str, Any]) -> DetectOptions:
    known = DetectOptions.model_fields
    unknown = next((name for name in fields if name not in known), None)
    if unknown is not None:  # each of thousands would be an error of the model
        raise HTTPError(422, f"{in_short(unknown)}: no such option; choose {', '.join(known)}")
    try:
        return DetectOptions.model_validate(query.model_dump(exclude_unset=True) | fields)
    except ValidationError as error:
        raise RequestValidationError(error.errors()) from error


def _split(texts: Sequence[str], limits: Limits) -> list[str]:
    """Return names that were separated by commas; in quotes, commas belong to a name.

    Raises:
        HTTPError: there are too many, or quotes that do not end.
    """
    names: list[str] = []
    for text in texts:
        try:
            row = next(csv.reader([text], skipinitialspace=True, strict=True))
        except csv.Error as error:
            message = f"names: {in_short(text)} is no line of names: {error}; " + QUOTES
            raise HTTPError(422, message) from error
        names += row or [""]
        check_num_texts(len(names), limits)
    return [name.strip() for name in names]
