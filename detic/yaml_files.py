"""Reading YAML that people write: plain values only, of a bounded size, with the line of a mistake.

No tag builds a Python object. A key that is given twice is told of. Aliases count as often as they are used, so that a few lines cannot
stand for billions of values.
"""

import logging
import os
from typing import Any

import yaml

from detic.documents import read_text
from detic.errors import InputError, shown

logger = logging.getLogger(__name__)

MAX_VALUES = 1_000_000  # with aliases written out
MAX_DEPTH = 40  # lists and mappings inside each other

# What the constructors of PyYAML raise for text that does not fit its tag
_CONSTRUCTION_ERRORS = (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError)


def read_yaml(path: str | os.PathLike, where: str = "") -> Any:
    """Return the document in a YAML file.

    Args:
        where: how messages name the file; by default by its path.

    Raises:
        InputError: it is missing, no file, unreadable, too large, or no YAML of plain values.
    """
    return parse_yaml(read_text(path), where or str(path))


def parse_yaml(text: str, where: str) -> Any:
    """Return the document that a text is: mappings, lists, texts, numbers, dates, None.

    Args:
        where: the text is from, put in front of messages.

    Raises:
        InputError: the text is no YAML, names tags of Python, holds a number or date that cannot
            be, or more or deeper values than ``MAX_VALUES`` and ``MAX_DEPTH``.
    """
    try:
        return _parsed(text, where)
    except yaml.MarkedYAMLError as error:
        raise InputError(f"{where}{_line(error)} is not valid YAML: {_reason(error)}") from error
    except yaml.YAMLError as error:  # of characters that no YAML may have
        raise InputError(f"{where} is not valid YAML: {str(error).splitlines()[0]}") from error
    except RecursionError:
        raise InputError(f"{where} is not valid YAML: {_TOO_DEEP}") from None


def _parsed(text: str, where: str) -> Any:
    loader = _PlainLoader(text)
    node = loader.get_single_node()
    if node is None:
        return None
    _Sizes(where).check(node)
    return loader.construct_document(node)


class _PlainLoader(yaml.SafeLoader):
    """PyYAML's safe loader, whose constructors fail by its own error and with a place."""

    def construct_object(self, node, deep=False):
        try:
            return super().construct_object(node, deep)
        except _CONSTRUCTION_ERRORS as error:
            kind = node.tag.rpartition(":")[2]
            raise _refusal(f"{str(node.value)[:40]!r} is no {kind}", node) from error


class _Sizes:
    """How many values nodes stand for, aliases written out; each node is measured once."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._measured: dict[int, tuple[int, int]] = {}
        self._open: set[int] = set()

    def check(self, node: yaml.Node) -> tuple[int, int]:
        """Return the number and depth of the values below a node.

        Raises:
            MarkedYAMLError: there are too many or they are too deep, or the node holds itself.
        """
        known = self._measured.get(id(node))
        if known is not None:
            return known
        if id(node) in self._open:
            raise _refusal("an alias stands for a value that holds the alias", node)
        self._open.add(id(node))
        _warn_of_repeated_keys(node, self._where)
        count, depth = 1, 1
        for child in _children(node):
            child_count, child_depth = self.check(child)
            count, depth = count + child_count, max(depth, child_depth + 1)
        self._open.remove(id(node))
        if count > MAX_VALUES:
            raise _refusal(f"it stands for more than {MAX_VALUES:,} values", node)
        if depth > MAX_DEPTH:
            raise _refusal(_TOO_DEEP, node)
        self._measured[id(node)] = count, depth
        return count, depth


_TOO_DEEP = f"it has more than {MAX_DEPTH} lists and mappings inside each other"


def _warn_of_repeated_keys(node: yaml.Node, where: str) -> None:
    """Warn of the first key of a mapping that is there again: YAML takes the last of its values."""
    seen: set[str] = set()
    for key, _ in node.value if isinstance(node, yaml.MappingNode) else ():
        if isinstance(key, yaml.ScalarNode) and key.value in seen and key.value != "<<":
            line = key.start_mark.line + 1
            logger.warning(
                "%s, line %d: %s is given twice; the last counts", where, line, shown(key.value)
            )
            return
        seen.add(str(key.value))


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [child for pair in node.value for child in pair]
    return node.value if isinstance(node, yaml.SequenceNode) else []


def _refusal(problem: str, node: yaml.Node) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(None, None, problem, node.start_mark)


def _line(error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    return f", line {mark.line + 1}" if mark else ""


def _reason(error: yaml.MarkedYAMLError) -> str:
    """Return what is wrong, and with Python's tags that they are never built."""
    problem = error.problem or error.context or "it cannot be read"
    if "for the tag" in problem:
        return f"{problem}; only plain values are read"
    return problem
