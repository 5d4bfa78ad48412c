"""Running commands of ``detic`` as a user would type them."""

import logging
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping

from detic.errors import InputError

logger = logging.getLogger(__name__)


def run_command(
    command: str, *arguments: str, environment: Mapping[str, str] | None = None
) -> None:
    """Run a command of ``detic`` to its end, in a process of its own.

    Args:
        command: such as train.
        arguments: of the command.
        environment: variables to set beside those of this process.

    Raises:
        InputError: it failed, and has said why.
    """
    logger.info("$ %s", shlex.join(["detic", command, *arguments]))
    program = [sys.executable, "-m", "detic_commands", command, *arguments]
    status = subprocess.run(program, env=os.environ | (environment or {}), check=False).returncode
    if status != 0:
        raise InputError(f"detic {command} ended with status {status}")
