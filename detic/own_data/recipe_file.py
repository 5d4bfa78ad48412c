"""A recipe as a YAML file for people: keys in sections, each with the reason of its value."""

from collections.abc import Iterable
from typing import Any

import yaml

from detic.own_data.derivation import Setting

INDENT = "  "


class _WithoutAliases(yaml.SafeDumper):
    """A writer that repeats what occurs twice, instead of referring to it."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def recipe_text(base: str, settings: Iterable[Setting], heading: str) -> str:
    """Return the file of a recipe.

    Args:
        base: its ``_BASE_``.
        settings: keys, in the order of their sections.
        heading: the comment at its top, lines without ``#``.

    >>> print(recipe_text("b.yaml", [Setting("SOLVER.MAX_ITER", 400, "short")], "Mine."), end="")
    # Mine.
    _BASE_: b.yaml
    SOLVER:
      MAX_ITER: 400  # short
    """
    tree: dict[str, Any] = {}
    for setting in settings:
        *sections, name = setting.key.split(".")
        node = tree
        for section in sections:
            node = node.setdefault(section, {})
        node[name] = setting
    lines = [f"# {line}".rstrip() for line in heading.splitlines()]
    return "\n".join([*lines, f"_BASE_: {_flow(base)}", *_lines(tree, "")]) + "\n"


def _lines(tree: dict[str, Any], indent: str) -> list[str]:
    lines = []
    for name, entry in tree.items():
        if isinstance(entry, dict):
            lines += [f"{indent}{name}:", *_lines(entry, indent + INDENT)]
            continue
        comment = f"  # {entry.why}" if entry.why else ""
        if entry.value and isinstance(entry.value, list) and isinstance(entry.value[0], dict):
            items = [f"{indent}{INDENT}- {_flow(item)}" for item in entry.value]
            lines += [f"{indent}{name}:{comment}", *items]
        else:
            lines.append(f"{indent}{name}: {_flow(entry.value)}{comment}")
    return lines


def _flow(value: Any) -> str:
    """Return a value in one line of YAML."""
    text = yaml.dump(
        value,
        Dumper=_WithoutAliases,
        default_flow_style=True,
        allow_unicode=True,
        sort_keys=False,
        width=10**6,
    )
    return text.removesuffix("...\n").strip()
