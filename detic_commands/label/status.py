"""Say how far a job of `detic label run` is; ask from any shell, as often as you like.

    %(prog)s labels/
    %(prog)s labels/ --failures        (each image that failed, and why)
    %(prog)s labels/ --json

Ends with status 0 if the job is complete, 3 if not.
"""

import argparse
import json
from dataclasses import asdict

from detic_commands.parsing import command_parser

INCOMPLETE = 3


def argument_parser(prog: str = "detic label status") -> argparse.ArgumentParser:
    parser = command_parser(prog, __doc__)
    parser.add_argument("job", metavar="JOB", help="the folder of the job")
    parser.add_argument("--failures", action="store_true", help="list the images that failed")
    parser.add_argument("--json", action="store_true", help="the numbers as a JSON object")
    return parser


def main(arguments: argparse.Namespace) -> int:
    from detic.labelling.job import open_job
    from detic.labelling.status import failed_images, read_status
    from detic.paths import at_home

    job = open_job(at_home(arguments.job))
    status = read_status(job)
    print(json.dumps(asdict(status)) if arguments.json else status)
    if arguments.failures:
        for name, reason in failed_images(job):
            print(f"{name}: {reason}")
    return 0 if status.shards_done == status.shards else INCOMPLETE
