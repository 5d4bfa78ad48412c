"""Bodies, answers and examples of the API's description in OpenAPI."""

from typing import Any

Answers = dict[int | str, dict[str, Any]]  # by status

_ANSWER = {
    "model": {"name": "shapes-detic", "version": "db40326786b8"},
    "vocabulary": {"id": None, "version": "0b1d2f0a9c33", "size": 2},
    "image": {"width": 128, "height": 128},
    "detections": [
        {
            "name": "green gear",
            "label": 0,
            "score": 0.981234,
            "box_xyxy": [12.5, 30.25, 51.0, 70.75],
            "polygons": [[13, 31, 50, 31, 50, 70, 13, 70]],
        }
    ],
}
_SUMMARY = {"id": "kitchen", "version": "a4c9f2e07d15", "size": 3}
_CLASSES = [
    "plate",
    {"name": "mug", "synonyms": ["cup"], "score_threshold": 0.3},
    {"name": "table top", "negative": True},
]
_MODELS = {
    "models": [
        {
            "name": "shapes-detic",
            "version": "db40326786b8",
            "threshold": 0.5,
            "vocabulary": "default",
        }
    ]
}


def _json_answer(description: str, example: Any) -> dict[str, Any]:
    """Return the description of an answer in JSON."""
    content = {"application/json": {"example": example}}
    return {"description": description, "content": content}


def _error(description: str, message: str) -> dict[str, Any]:
    return _json_answer(description, {"error": message})


_ERRORS: Answers = {
    400: _error("Malformed: no image, no form, no JSON, no UTF-8.", "the form has no file `image`"),
    401: _error("The token is missing or wrong.", "send the header Authorization: Bearer TOKEN"),
    404: _error("There is no such vocabulary.", "there is no vocabulary 'kitchn'"),
    408: _error("The body did not arrive in time.", "the body did not arrive within 60 s"),
    413: _error("Too large.", "the image has 9000 x 9000 pixels; at most 50,000,000 are read"),
    415: _error("The body has another type.", "the body is no vocabulary; send application/json"),
    422: _error("A value that is not possible.", "threshold: Input should be less than or equal"),
    429: _error("Too many requests of this client.", "4 requests of this client are in progress"),
    503: _error("Not now; see Retry-After.", "128 requests are in progress; try again later"),
}


def errors(*statuses: int) -> Answers:
    """Return the descriptions of errors."""
    return {status: _ERRORS[status] for status in statuses}


# Answers of the routes
DETECTED: Answers = {
    200: _json_answer("What was found, highest score first.", _ANSWER),
    **errors(400, 401, 404, 408, 413, 422, 429, 503),
}
VOCABULARIES: Answers = {
    200: _json_answer("All of them.", {"vocabularies": [_SUMMARY]}),
    **errors(401),
}
VOCABULARY: Answers = {
    200: _json_answer(
        "Its classes. Images of examples are named by digests of their content.",
        {**_SUMMARY, "classes": _CLASSES},
    ),
    **errors(401, 404, 422),  # FastAPI would describe a 422 of its own
}
STORED: Answers = {
    200: _json_answer("It replaces an older one, at once.", _SUMMARY),
    201: _json_answer("It is new.", _SUMMARY),
    **errors(400, 401, 408, 413, 415, 422, 429, 503),
}
MODELS: Answers = {200: _json_answer("What answers here.", _MODELS), **errors(401)}
METRICS: Answers = {
    200: {"content": {"text/plain": {}}, "description": "All counts."},
    **errors(401),
}

_BINARY = {"schema": {"type": "string", "format": "binary"}}
_OPTIONS = {
    "vocabulary": {"type": "string", "example": "kitchen"},
    "threshold": {"type": "number", "minimum": 0, "maximum": 1, "example": 0.5},
    "masks": {"type": "string", "enum": ["none", "rle", "polygons"]},
}
_FORM = {
    "type": "object",
    "required": ["image"],
    "properties": {
        "image": _BINARY["schema"],
        "names": {"type": "string", "example": 'green gear,"wine, red"'},
        **_OPTIONS,
    },
}
_ADDRESS = {
    "type": "object",
    "required": ["url"],
    "properties": {
        "url": {"type": "string", "description": "Below one that --allow-url names."},
        "names": {"type": "array", "items": {"type": "string"}},
        **_OPTIONS,
    },
}
_URL = {"url": "https://images.example.org/shop/desk.jpg", "names": ["desk", "lamp"]}
DETECT_BODY = {
    "requestBody": {
        "required": True,
        "description": "The file of an image; a form with it; or, where the service allows it, its address.",
        "content": {
            "image/*": _BINARY,
            "application/octet-stream": _BINARY,
            "multipart/form-data": {"schema": _FORM},
            "application/json": {"schema": _ADDRESS, "example": _URL},
        },
    }
}
VOCABULARY_BODY = {
    "requestBody": {
        "required": True,
        "description": "A vocabulary file, or what it holds; images of examples are in base64.",
        "content": {
            "application/json": {"schema": {"type": "array", "items": {}}, "example": _CLASSES},
            "application/yaml": {"schema": {"type": "string"}, "example": "- plate\n- mug\n"},
            "text/plain": {"schema": {"type": "string"}, "example": "plate\nmug\n"},
        },
    }
}
