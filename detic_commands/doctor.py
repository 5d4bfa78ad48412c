"""Look at the installation: packages, devices, files; say what is wrong and what to do.

    %(prog)s

Lines with something wrong begin with an exclamation mark. Ends with status 0 if nothing is wrong,
else 1.
"""

from argparse import ArgumentParser, Namespace
from itertools import chain

from detic_commands.diagnosis import files, machine, packages
from detic_commands.diagnosis.line import Line, as_text
from detic_commands.parsing import command_parser

STANDALONE = True  # runs where detic itself cannot be imported

FILE_SECTIONS = {
    "Comes with detic": files.resource_lines,
    "Weights": files.weight_lines,
    "Datasets": files.dataset_lines,
    "Caches": files.cache_lines,
}


def argument_parser(prog: str = "detic doctor") -> ArgumentParser:
    """Return the parser of the command line.

    Args:
        prog: how the program is called.
    """
    return command_parser(prog, __doc__)


def main(arguments: Namespace) -> int:
    """Print what was found; return the exit status."""
    sections = examine()
    print("\n\n".join(as_text(title, lines) for title, lines in sections.items()))
    wrong: dict[str, list[str]] = {}  # labels by message
    for line in chain.from_iterable(sections.values()):
        if line.wrong:
            wrong.setdefault(line.wrong, []).append(line.label)
    if not wrong:
        print("\nNothing is wrong.")
        return 0
    print("\nWhat is wrong:")
    for number, (message, labels) in enumerate(wrong.items(), start=1):
        print(f"{number}. {', '.join(labels)}: {message}")
    return 1


def examine() -> dict[str, list[Line]]:
    """Return the lines of the report by the title of their section."""
    works = packages.detic_import_line()
    sections = {
        "Detic": [*packages.detic_lines(), packages.detectron2_line()],
        "Packages": [*packages.package_lines(), works],
        "Machine": machine.machine_lines(),
    }
    if works.wrong is None:
        sections |= {title: look() for title, look in FILE_SECTIONS.items()}
    return sections | {"Writing": files.writing_lines()}
