"""Pages in HTML that need no other file, out of templates. Whatever is put into them is escaped."""

from jinja2 import Environment, PackageLoader, StrictUndefined, Template


def template(package: str, name: str) -> Template:
    """Return a template of the folder ``templates`` of a package."""
    environment = Environment(
        loader=PackageLoader(package),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name)
