"""Prompts: the sentences that stand for a class name when it is embedded."""

from collections.abc import Callable, Iterable

from detic.errors import InputError, unknown_choice

# "a" takes no heed of vowels: the released classifiers embed "a apple".
TEMPLATES = {
    "a": "a {}",
    "none": "{}",
    "photo": "a photo of a {}",
    "scene": "a photo of a {} in the scene",
}
DEFAULT_TEMPLATE = "a"


def fix_space(name: str) -> str:
    """Return a name with spaces for underscores: ``trash_can`` -> ``trash can``."""
    return name.replace("_", " ")


def underscore(name: str) -> str:
    """Return a trimmed name with underscores for spaces: ``Bowl/ Basin`` -> ``Bowl/Basin``."""
    return name.strip().replace("/ ", "/").replace(" ", "_")


NAME_REWRITES: dict[str, Callable[[str], str]] = {
    "fix_space": fix_space,
    "underscore": underscore,
}


def resolve_template(template: str) -> str:
    """Return the template behind a short name; a text that contains ``{}`` is one itself.

    >>> resolve_template("photo"), resolve_template("the {} on the left")
    ('a photo of a {}', 'the {} on the left')
    """
    if "{}" in template:
        return template
    if template not in TEMPLATES:
        raise unknown_choice("prompt template", template, [*TEMPLATES, "a text with {} in it"])
    return TEMPLATES[template]


def resolve_templates(templates: str | Iterable[str]) -> tuple[str, ...]:
    """Return the templates of an ensemble, each once and in order; a text is an ensemble of one."""
    templates = [templates] if isinstance(templates, str) else templates
    resolved = tuple(dict.fromkeys(map(resolve_template, templates)))
    if not resolved:
        raise InputError(f"no prompt template given; choose at least one of {', '.join(TEMPLATES)}")
    return resolved


def fill_template(template: str, name: str) -> str:
    """Return the sentence of a name; a template without ``{}`` is a sentence already."""
    return template.replace("{}", name)
