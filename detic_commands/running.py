"""How commands end: by their exit status, or by one line that says what to do."""

import gc
import sys
from argparse import Namespace
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

USER_ERROR = 2  # also argparse's status for bad usage
INTERRUPTED = 130  # 128 + SIGINT, as shells report it

# Names to install of packages that are imported by another name
DISTRIBUTIONS = {
    "PIL": "pillow",
    "cv2": "opencv-python",
    "open_clip": "open_clip_torch",
    "yaml": "pyyaml",
}
_CHECKOUT = Path(__file__).resolve().parents[1]


def run(command: Callable[[Namespace], int | None], arguments: Namespace) -> NoReturn:
    """Run a command to its end and leave with its exit status.

    Mistakes end as ``detic.cli.run`` says; so do packages that are missing or cannot be loaded, in
    one line and status 2.

    Args:
        command: returns the exit status, None for success.
        arguments: its parsed command line.
    """
    try:
        run_to_end = _loaded()
        run_to_end(command, arguments)
    except ImportError as error:
        message = explanation(error)
        if message is None:
            raise
        sys.stderr.write(f"error: {message}\n")
        sys.exit(USER_ERROR)
    except OSError as error:  # the disk is full, say, and torch finds no place for its files
        sys.stderr.write(f"error: the packages cannot be loaded: {error}\n")
        sys.exit(USER_ERROR)
    except KeyboardInterrupt:  # while the packages are loaded
        sys.stderr.write("interrupted\n")
        sys.exit(INTERRUPTED)


def _loaded() -> Callable[..., NoReturn]:
    """Return ``detic.cli.run``, and torch is loaded then, which takes seconds.

    Imports leave no garbage, so none is looked for, then or later, among what they made.
    """
    gc.disable()
    try:
        from detic.cli import run as run_to_end
    finally:
        gc.enable()
    gc.freeze()
    return run_to_end


def explanation(error: ImportError) -> str | None:
    """Return what is wrong with an installation and what to do; None if it is a defect of ours.

    Args:
        error: of importing a package that we depend on.
    """
    if isinstance(error.__cause__, ImportError):  # what `import detic` failed for
        error = error.__cause__
    package = (error.name or "").partition(".")[0]
    if not package:
        return None
    if isinstance(error, ModuleNotFoundError):
        return None if _is_there(package) else _missing(package)
    if package == "cv2":
        return (
            f"OpenCV cannot be loaded ({error}); on machines without a display, put "
            "opencv-python-headless in the place of opencv-python"
        )
    return None


def _is_there(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ValueError:  # loaded, but without a specification
        return True


def _missing(package: str) -> str:
    return (
        f"the package {DISTRIBUTIONS.get(package, package)} is missing in {sys.executable}; "
        f"{remedy(package)}"
    )


def remedy(package: str) -> str:
    """Return what to do about a missing package.

    Args:
        package: by the name it is imported by.
    """
    activate = _CHECKOUT / ".venv" / "bin" / "activate"
    if activate.is_file() and not sys.prefix.startswith(str(_CHECKOUT)):
        return f"enter the project's environment with `. {activate}`"
    if (_CHECKOUT / "requirements.txt").is_file():
        return f"install everything with `pip install -r requirements.txt` in {_CHECKOUT}"
    if package == "detectron2":
        return "install the project's folder `portable`, or Detectron2 itself"
    return f"install it with `pip install {DISTRIBUTIONS.get(package, package)}`"
