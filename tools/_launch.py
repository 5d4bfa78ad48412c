"""How the programs of this folder start; each stands for a command of ``detic``."""

import sys
from pathlib import Path


def launch(program: str) -> None:
    """Run the command that a program stands for, and leave with its exit status.

    Args:
        program: its file.
    """
    name = Path(program).stem
    try:
        from detic_commands.main import TOOLS, run_module
    except ModuleNotFoundError as error:
        if error.name != "detic_commands":
            raise
        root = Path(program).resolve().parents[1]
        sys.stderr.write(
            f"error: detic is not installed in {sys.executable}; enter the project's environment "
            f"with `. {root}/.venv/bin/activate`, or install it with "
            f"`pip install -r requirements.txt` in {root}\n"
        )
        sys.exit(2)
    run_module(TOOLS[name], f"python tools/{name}.py")
