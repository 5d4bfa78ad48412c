"""The page to try the service in a browser: one file that loads nothing from elsewhere."""

import base64
import hashlib
import re
from importlib.resources import files


def read_page() -> tuple[str, dict[str, str]]:
    """Return the page and the headers it is sent with, which let it run its own script alone."""
    page = files("detic.serving").joinpath("page.html").read_text(encoding="utf-8")
    policy = (
        "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "connect-src 'self'; img-src 'self' blob: data:; media-src blob:; "
        f"script-src {_hash_of('script', page)}; style-src {_hash_of('style', page)}"
    )
    headers = {"Content-Security-Policy": policy, "Permissions-Policy": "camera=(self)"}
    return page, headers | {"Cache-Control": "no-cache", "Referrer-Policy": "no-referrer"}


def _hash_of(tag: str, page: str) -> str:
    """Return the digest of the content of the page's one element of a kind, as policies have it."""
    (content,) = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
    return f"'sha256-{digest}'"
