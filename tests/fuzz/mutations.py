"""Damage to files: of their bytes, and of the values in documents and archives. Seeded."""

import io
import json
import random
import zipfile
from collections.abc import Callable
from typing import Any

# Bytes that mean something to some reader
TOKENS = [
    *(b"null", b"NaN", b"-Infinity", b"1e999", b"-1", b"true", b'"', b"'", b"[", b"}", b",", b"\n"),
    *(
        b"9" * 5000,
        b"[" * 20_000,
        b'{"a":' * 3000,
        b"../../../../x",
        b"\\ud800",
        b"\xff\xfe",
        b"\0",
    ),
    *(
        b"\xef\xbb\xbf",
        b"!!python/object/apply:os.system ['touch fuzzed']",
        b"!!float x",
        b"&a [*a]",
    ),
    *(b"=cmd|' /C calc'!A0", b"cos\nsystem\n(S'touch fuzzed'\ntR.", b"2026-99-99", b"\x80\x02c"),
]
ODD_VALUES: list[Any] = [
    *(
        None,
        True,
        -1,
        0,
        1.5,
        1e308,
        -1e-308,
        float("nan"),
        float("inf"),
        2**63,
        10**30,
        "",
        "1",
        "a",
    ),
    *(
        "\ud800",
        "../../../x",
        "\0",
        "a" * 5000,
        [],
        {},
        [None],
        [[]],
        {"a": {}},
        [1, [2, [3]]],
        [0] * 999,
    ),
]


def mutate(content: bytes, rng: random.Random, *, is_archive: bool = False) -> bytes:
    """Return damaged content: its values if it is a document, a member if an archive, or its bytes."""
    for _ in range(rng.choice((1, 1, 1, 2, 5))):
        kinds: list[Callable[[bytes, random.Random], bytes]] = [_bytes]
        if is_archive:
            kinds = [_bytes, _member, _member]
        elif content[:1] in (b"{", b"["):
            kinds = [_bytes, _value, _value, _value]
        content = rng.choice(kinds)(content, rng)
    return content


def _bytes(content: bytes, rng: random.Random) -> bytes:
    start, end = sorted(rng.randrange(len(content) + 1) for _ in range(2))
    choice = rng.randrange(6)
    if choice == 0:  # cut short
        return content[:end]
    if choice == 1:  # a piece is missing
        return content[:start] + content[end:]
    if choice == 2:  # a piece comes twice
        return content[:end] + content[start:end] + content[end:]
    if choice == 3:
        return content[:start] + rng.choice(TOKENS) + content[start:]
    if choice == 4:
        return content[:start] + rng.choice(TOKENS) + content[end:]
    flipped = bytearray(content)
    for _ in range(rng.choice((1, 8, 64)) if content else 0):
        flipped[rng.randrange(len(flipped))] = rng.randrange(256)
    return bytes(flipped)


def _value(content: bytes, rng: random.Random) -> bytes:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return _bytes(content, rng)
    places = list(_places(document))
    if not places:
        return _bytes(content, rng)
    container, key = rng.choice(places)
    choice = rng.randrange(4)
    if choice == 0:
        del container[key]
    elif choice == 1 and isinstance(container, list):
        container.append(container[key])
    elif choice == 2:
        container[key] = rng.choice(places)[0]
    else:
        container[key] = rng.choice(ODD_VALUES)
    try:
        return json.dumps(document).encode()
    except (ValueError, RecursionError):  # it contains itself now
        return content[: len(content) // 2]


def _places(value: Any):
    """Yield where the values in a document are: list or object, and index or key."""
    children = ()
    if isinstance(value, dict):
        children = list(value.items())
    elif isinstance(value, list):
        children = list(enumerate(value))
    for key, child in children:
        yield value, key
        yield from _places(child)


def _member(content: bytes, rng: random.Random) -> bytes:
    """Damage a member of a zip file, whose sums are right again."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = [(info.filename, archive.read(info)) for info in archive.infolist()]
    except Exception:  # damaged already
        return _bytes(content, rng)
    position = rng.randrange(len(members))
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for index, (name, member) in enumerate(members):
            archive.writestr(name, _bytes(member, rng) if index == position else member)
    return made.getvalue()
