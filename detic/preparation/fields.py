"""Checking the fields of records that a preparation program reads."""

import os
from collections.abc import Mapping, Sequence

from detic.errors import InputError
from detic.value_rules import Rule, is_whole, list_of

TEXT = Rule(lambda value: isinstance(value, str), "a text")
IDENTIFIER = Rule(lambda value: is_whole(value) or isinstance(value, str), "an integer or a text")
WHOLE_NUMBER = Rule(is_whole, "an integer")
TEXTS = list_of(TEXT)
CLASS_IDS = list_of(WHOLE_NUMBER)


def check_records(
    path: str | os.PathLike,
    kind: str,
    records: Sequence,
    rules: Mapping[str, Rule],
    *,
    optional: Mapping[str, Rule] | None = None,
) -> None:
    """Check that records are objects whose fields follow rules.

    Args:
        path: of the file they are from.
        kind: what messages call a record, such as image.
        rules: by field; all records have these.
        optional: by field; records may lack these.

    Raises:
        InputError: names the file, the record and the field.
    """
    every = {**rules, **(optional or {})}
    for number, record in enumerate(records, start=1):
        if not isinstance(record, dict):
            raise InputError(f"{path}: {kind} number {number} is {record!r:.60}, not an object")
        for field, rule in every.items():
            if field not in record and field in rules:
                raise _error(path, kind, number, record, f"'{field}' is missing", rule)
            if field in record and not rule.holds(record[field]):
                raise _error(
                    path, kind, number, record, f"'{field}' is {record[field]!r:.60}", rule
                )


def _error(path, kind: str, number: int, record: dict, problem: str, rule: Rule) -> InputError:
    identity = f" (id {record['id']!r:.40})" if "id" in record else ""
    return InputError(
        f"{path}: {kind} number {number}{identity}: {problem}; expected {rule.expected}"
    )
