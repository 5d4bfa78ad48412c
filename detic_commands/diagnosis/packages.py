"""The packages: versions, and whether they can be loaded."""

import platform
import sys
from importlib import import_module, metadata
from pathlib import Path

from detic_commands import __version__
from detic_commands.diagnosis.line import Line
from detic_commands.diagnosis.requirements import Requirement, requirements
from detic_commands.running import DISTRIBUTIONS, remedy

_MODULES = {distribution: module for module, distribution in DISTRIBUTIONS.items()}


def detic_lines() -> list[Line]:
    """Return which Detic and which Python answer."""
    folder = Path(__file__).resolve().parents[2]
    kind = "checkout" if (folder / "pyproject.toml").is_file() else "installed"
    return [
        Line("detic", f"{__version__}, {kind} in {folder}"),
        Line("Python", f"{platform.python_version()}, {sys.executable}"),
        Line("system", platform.platform()),
    ]


def detectron2_line() -> Line:
    """Return which implementation of detectron2 is there."""
    try:
        module = import_module("detectron2")
    except Exception as error:  # whatever a damaged installation raises
        return _not_loaded("detectron2", "detectron2", error)
    version = getattr(module, "__version__", "unknown version")
    kind = "the project's own, in Python" if "portable" in version else "the original"
    return Line("detectron2", f"{version} ({kind}), {Path(str(module.__file__)).parent}")


def package_lines() -> list[Line]:
    """Return each package that Detic needs, by the name of its distribution."""
    return [_package_line(requirement) for requirement in requirements()]


def detic_import_line() -> Line:
    """Return whether ``import detic`` works."""
    try:
        import_module("detic")
    except Exception as error:  # whatever the packages below it raise
        return Line("import detic", "fails", f"{_first_line(error)}; mend what else is wrong first")
    return Line("import detic", "works")


def _package_line(requirement: Requirement) -> Line:
    module = _MODULES.get(requirement.name, requirement.name)
    found = {name: version for name in requirement.names if (version := _version(name))}
    if not found:
        return _missing(requirement.name, module)
    shown = ", ".join(
        version if name == requirement.name else f"{version} ({name})"
        for name, version in found.items()
    )
    wrong = _wrong(requirement, found)
    if wrong is None:
        try:
            import_module(module)
        except Exception as error:  # missing libraries, builds that do not fit each other
            return _not_loaded(requirement.name, module, error, shown)
    return Line(requirement.name, shown, wrong)


def _wrong(requirement: Requirement, found: dict[str, str]) -> str | None:
    if len(found) > 1:
        return (
            f"{' and '.join(found)} overwrite each other's files; uninstall both, then install one"
        )
    ((name, version),) = found.items()
    if requirement.is_met_by(version):
        return None
    wanted = f"{name}{requirement.bounds}"
    return f"{name} {version} does not serve; `pip install '{wanted}'`"


def _missing(label: str, module: str) -> Line:
    return Line(label, "missing", f"missing; {remedy(module)}")


def _not_loaded(label: str, module: str, error: Exception, version: str = "") -> Line:
    if isinstance(error, ModuleNotFoundError) and error.name == module:
        return _missing(label, module)
    hint = "install it again, in a version that fits the others"
    if module == "cv2":
        hint = "put opencv-python-headless in the place of opencv-python"
    found = f"{version} cannot be loaded".strip()
    return Line(label, found, f"cannot be loaded ({_first_line(error)}); {hint}")


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
