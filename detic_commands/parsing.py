"""What the parsers of all commands share."""

import argparse
import math

# In help pages, which are the docstrings of modules, %(prog)s becomes what the user typed.


class DefaultsHelpFormatter(
    argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter
):
    """Help that keeps the lines of the description, whose commands can be pasted, with defaults."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        if action.default in (None, False, []):
            return action.help
        return super()._get_help_string(action)


def command_parser(
    prog: str,
    description: str,
    formatter: type[argparse.HelpFormatter] = argparse.RawDescriptionHelpFormatter,
) -> argparse.ArgumentParser:
    """Return a parser whose help page starts with a docstring, line by line.

    Args:
        prog: how the program is called, such as ``detic train`` or ``python train_net.py``.
        description: the docstring.
        formatter: of the help page.
    """
    return argparse.ArgumentParser(prog=prog, description=description, formatter_class=formatter)


def positive_int(text: str) -> int:
    """Return the number that an argument is.

    Raises:
        ArgumentTypeError: it is no whole number, or below 1.
    """
    return _at_least(1, text)


def count(text: str) -> int:
    """Return the number that an argument is.

    Raises:
        ArgumentTypeError: it is no whole number, or below 0.
    """
    return _at_least(0, text)


def positive_number(text: str) -> float:
    """Return the number that an argument is.

    Raises:
        ArgumentTypeError: it is no number above 0.
    """
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is no number above 0")
    return number


def share(text: str) -> float:
    """Return the number that an argument is.

    Raises:
        ArgumentTypeError: it is no number from 0 to 1.
    """
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number <= 1:
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is no number from 0 to 1")
    return number


def _at_least(low: int, text: str) -> int:
    try:
        number = int(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is no whole number") from error
    if number < low:
        raise argparse.ArgumentTypeError(f"{text} is too small; choose at least {low}")
    return number


def add_overwrite(parser: argparse.ArgumentParser) -> None:
    """Add whether files that exist may be replaced, for ``detic.preparation.output.free_place``."""
    parser.add_argument("--overwrite", action="store_true", help="replace the file if it exists")


def add_opts(group: argparse._ActionsContainer) -> None:
    """Add what overrides a recipe, to the end of the line."""
    group.add_argument(
        "--opts",
        nargs=argparse.REMAINDER,
        action=Overrides,
        default=[],
        metavar="KEY VALUE",
        help="configuration keys and values to the end of the line, such as MODEL.WEIGHTS FILE",
    )


def add_imports(group: argparse._ActionsContainer) -> None:
    """Add the packages of one's own that recipes name; ``detic.extensions`` imports them."""
    group.add_argument(
        "--import",
        dest="imports",
        action="append",
        default=[],
        metavar="MODULE",
        help="import a package of your own before the recipe is read (docs/extending.md); may be "
        "repeated",
    )


class Overrides(argparse.Action):
    """Configuration keys and values to the end of the line, where a flag would be lost."""

    def __call__(self, parser, namespace, values, option_string=None):
        for word in values:
            if word.startswith("--"):
                flag = word.partition("=")[0]
                parser.error(f"{flag} must come before {option_string or 'the KEY VALUE pairs'}")
        setattr(namespace, self.dest, values)
