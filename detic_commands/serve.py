"""Answer requests over HTTP, and show a page to try the detector in the browser.

    %(prog)s --model shapes-detic --custom-vocabulary "green gear,yellow mug"
    %(prog)s --vocabulary lvis --port 9000 --vocabularies ~/vocabularies
    %(prog)s --model shapes.onnx --custom-vocabulary "red star"
    DETIC_TOKEN=secret-of-mine %(prog)s --model detic-r50 --host 0.0.0.0

It answers on this machine alone unless --host says otherwise. If DETIC_TOKEN is set in the environment,
requests have to bring it. It needs the packages of the extra `serve`; for a file of `detic export`, also
detic-lite. Ctrl-C or SIGTERM ends it, after the requests that it has taken are answered.
"""

import argparse
import logging
from pathlib import Path

from detic_commands.detect import add_detector, add_vocabulary
from detic_commands.parsing import (
    DefaultsHelpFormatter,
    command_parser,
    count,
    positive_int,
    positive_number,
)


def argument_parser(prog: str = "detic serve") -> argparse.ArgumentParser:
    """Return the parser of the command line.

    Args:
        prog: how the program is called.
    """
    parser = command_parser(prog, __doc__, DefaultsHelpFormatter)
    _add_place(parser.add_argument_group("where it answers"))
    _add_limits(parser.add_argument_group("limits"))
    add_vocabulary(parser.add_argument_group("what it looks for unless a request says otherwise"))
    detector = parser.add_argument_group(
        "the detector", "--model may also be an .onnx or .xml file of `detic export`."
    )
    add_detector(detector)
    return parser


def _add_place(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--host", default="127.0.0.1", metavar="ADDRESS", help="0.0.0.0: all of this machine's"
    )
    group.add_argument("--port", type=count, default=8000, metavar="N", help="0: any free one")
    group.add_argument(
        "--vocabularies",
        type=Path,
        metavar="FOLDER",
        help="keeps stored vocabularies; without it, they end with the service",
    )
    group.add_argument(
        "--allow-url",
        action="append",
        default=[],
        metavar="PREFIX",
        help="fetch images of addresses that begin so, such as https://images.example.org/shop/; "
        "may be repeated",
    )
    group.add_argument(
        "--allow-private",
        action="store_true",
        help="the names in them may lead to private addresses, such as those of an intranet",
    )


def _add_limits(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--max-batch", type=positive_int, default=8, metavar="N", help="images computed together"
    )
    group.add_argument(
        "--max-body", type=positive_int, default=32, metavar="MIB", help="largest file of an image"
    )
    group.add_argument(
        "--max-pixels", type=positive_int, default=50_000_000, metavar="N", help="of an image"
    )
    group.add_argument(
        "--max-names", type=positive_int, default=2000, metavar="N", help="of a vocabulary"
    )
    group.add_argument(
        "--max-requests",
        type=positive_int,
        default=128,
        metavar="N",
        help="in progress; more are answered with 503",
    )
    group.add_argument(
        "--max-per-client",
        type=positive_int,
        metavar="N",
        help="requests of one address in progress; more are answered with 429",
    )
    group.add_argument(
        "--timeout",
        type=positive_number,
        default=60.0,
        metavar="SECONDS",
        help="for a request to arrive, and for its answer",
    )


def main(arguments: argparse.Namespace) -> int:
    """Run the program; return its exit status."""
    from detic.extensions import request_imports
    from detic.serving.run import serve

    logging.basicConfig(format="%(message)s")
    for name in ("detic.serving", "detic.released_models"):
        logging.getLogger(name).setLevel(logging.INFO)
    request_imports(arguments.imports)
    return serve(arguments)
