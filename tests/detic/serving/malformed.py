"""Requests that no one should send."""

import random

from .service_of_fakes import image_file

DETECT = "/v1/detect"
SWAPPED = "/v1/vocabularies/swapped"
FORM = {"Content-Type": "multipart/form-data; boundary=x"}
JSON = {"Content-Type": "application/json"}


def malformed(number):
    """Return method, address, body and headers of a request, by its number."""
    draw = random.Random(number)
    kinds = [*JSON.values(), *FORM.values(), "image/png", "text/plain", "text/yaml", "", "\x80"]
    damaged = bytearray(image_file())
    for _ in range(3):
        damaged[draw.randrange(len(damaged))] = draw.randrange(256)
    bodies = (
        bytes(damaged),
        draw.randbytes(draw.randrange(200)),
        b"[" * draw.randrange(3000),
        b'{"url": "file:///etc/passwd", "names": [["a"]], "threshold": "x"}',
        b'[{"name": 1, "synonyms": {}}, null, "\\ud800"]',
        b'[{"name": "a", "examples": ["../../etc/passwd", {"image": "aGk="}, [1]]}]',
        b"--x\r\nContent-Disposition: form-data; name=image\r\n\r\n" + draw.randbytes(9),
        b'--x\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\nx\r\n--x--\r\n',
        b"--x\r\n" * draw.randrange(40),
        b"&a [*a, *a]: !!python/object:os.system",
    )
    queries = (
        "",
        "?names=%00",
        "?names=%ff",
        "?masks=all",
        "?threshold=1e999",
        "?a[]=" + "b" * 500,
    )
    paths = (DETECT, SWAPPED, "/v1/vocabularies/%2e%2e%2fx", "/v1/vocabularies/" + "x" * 300, "//")
    headers = {"Content-Type": draw.choice(kinds).encode("latin-1")}
    if draw.random() < 0.2:
        headers["Content-Length"] = draw.choice(("-1", "x", "9" * 40, "0"))
    method = draw.choice(("POST", "POST", "PUT", "DELETE", "GET", "PATCH"))
    return method, draw.choice(paths) + draw.choice(queries), draw.choice(bodies), headers
