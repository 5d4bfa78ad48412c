"""Requests for detection: an image and what is wanted of it, however they were sent."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Annotated, Any

import orjson
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from detic.serving.answers import MaskFormat
from detic.serving.limits import Limits, Refusal, Reservation, check_size, within

MAX_FIELDS = 2100  # of a form
MAX_FIELD_BYTES = 2**20
IMAGE_PART = "image"


class DetectOptions(BaseModel):
    """What is wanted, in the query, the fields of a form, or a JSON body."""

    model_config = ConfigDict(extra="forbid")

    vocabulary: Annotated[
        str | None, Field(description="Id of a stored vocabulary.", examples=["default"])
    ] = None
    names: Annotated[
        list[str],
        Field(
            description="Class names to look for instead; in the query and in forms separated by "
            "commas.",
            examples=[["red star,blue mug"]],
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


class DetectBody(DetectOptions):
    """A request whose image is at an address."""

    url: Annotated[
        str,
        Field(
            description="Of the image; services fetch none unless they were started with --allow-url.",
            examples=["https://images.example.org/shop/desk.jpg"],
        ),
    ]


@dataclass(frozen=True)
class Wanted:
    """A request as it was read."""

    options: DetectOptions
    image: bytes = b""  # the content of its file
    url: str | None = None  # where it is instead


async def read_request(
    request: Request, query: DetectOptions, limits: Limits, reservation: Reservation
) -> Wanted:
    """Return what a request wants.

    Args:
        query: the options of its address; those of its body go before them.
        reservation: holds what is read.

    Raises:
        Refusal: its body is malformed or too large.
        RequestValidationError: an option has another value.
    """
    kind = content_type(request)
    body = limited_body(request, limits.max_body_bytes, reservation)
    if kind == "multipart/form-data":
        return await _read_form(request, body, query)
    content = b"".join([part async for part in body])
    if kind == "application/json":
        return _read_json(content, query)
    return Wanted(_split_names(query), image=content)


def content_type(request: Request) -> str:
    """Return what a request says its body is, "" if it does not."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def limited_body(
    request: Request, max_bytes: int, reservation: Reservation
) -> AsyncGenerator[bytes, None]:
    """Return the parts of a body as they come.

    Raises:
        Refusal: it is too large, or says that it will be.
    """
    length = request.headers.get("content-length", "")
    if length.isdecimal():
        check_size(int(length[:20]), max_bytes)
    return within(request.stream(), max_bytes, reservation)


async def _read_form(
    request: Request, body: AsyncGenerator[bytes, None], query: DetectOptions
) -> Wanted:
    parser = MultiPartParser(
        request.headers, body, max_files=1, max_fields=MAX_FIELDS, max_part_size=MAX_FIELD_BYTES
    )
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise Refusal(400, f"the form is malformed: {error.message}") from error
    except (KeyError, ValueError, AssertionError, LookupError) as error:  # headers without meaning
        raise Refusal(400, "the form is malformed") from error
    try:
        image = form.get(IMAGE_PART)
        if not isinstance(image, UploadFile):
            raise Refusal(400, f"the form has no file `{IMAGE_PART}`")
        options = _split_names(_merged(query, _fields(form)))
        return Wanted(options, image=await image.read())
    finally:
        await form.close()


def _fields(form: FormData) -> dict[str, Any]:
    """Return the fields of a form besides the image; names may repeat."""
    fields: dict[str, Any] = {key: value for key, value in form.items() if key != IMAGE_PART}
    if "names" in fields:
        fields["names"] = form.getlist("names")
    return fields


def _read_json(content: bytes, query: DetectOptions) -> Wanted:
    try:
        fields = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise Refusal(400, f"the body is no JSON: {error}") from error
    if not isinstance(fields, dict):
        raise Refusal(400, "the body is no JSON object")
    url = fields.pop("url", None)
    if not isinstance(url, str):
        raise Refusal(400, "the JSON object has no text `url`; send images as they are")
    return Wanted(_merged(query, fields), url=url)


def _merged(query: DetectOptions, fields: dict[str, Any]) -> DetectOptions:
    try:
        return DetectOptions.model_validate(query.model_dump(exclude_unset=True) | fields)
    except ValidationError as error:
        raise RequestValidationError(error.errors()) from error


def _split_names(options: DetectOptions) -> DetectOptions:
    """Return options whose names are not separated by commas any more."""
    names = [name.strip() for text in options.names for name in text.split(",")]
    return options.model_copy(update={"names": names})
