"""Build the distributions, install the wheel into an empty environment and use it from elsewhere.

    .venv/bin/python tests/wheel/try_wheel.py        (or make test-wheel)

The dependencies are those of the Python that runs this: the new environment sees its packages, but
detic, centernet, detectron2 and detic_lite come from wheels. Nothing is downloaded.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import venv
import zipfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
USE = Path(__file__).with_name("use_wheel.py")
BUILD_SDIST = """
import contextlib, os, sys
from setuptools.build_meta import build_sdist
with open(os.devnull, "w") as quiet, contextlib.redirect_stdout(quiet):
    build_sdist(sys.argv[1])
"""


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="detic-wheel-") as folder:
        scratch = Path(folder)
        source = copy_of_checkout(scratch / "source")
        wheels = build(source, scratch)
        python = environment(scratch / "venv", wheels)
        elsewhere = scratch / "elsewhere"
        elsewhere.mkdir()
        run([python, USE], elsewhere, cache=scratch / "cache")
    print("the wheel works")


def copy_of_checkout(folder: Path) -> Path:
    """Return a copy of the files that git tracks or would add, where builds leave nothing behind."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(None, listing.stdout.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    return folder


def build(source: Path, scratch: Path) -> list[Path]:
    """Return the wheels of detic, from its sdist, of the portable detectron2 and of detic_lite.

    A wheel that is built from the checkout has the same files.
    """
    sdists, wheels, direct = (scratch / name for name in ("sdists", "wheels", "direct"))
    run([sys.executable, "-c", BUILD_SDIST, sdists], source)
    (sdist,) = sdists.glob("*.tar.gz")
    pip_wheel = (sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation")
    run([*pip_wheel, "-w", wheels, sdist, source / "portable", source / "lite"], scratch)
    run([*pip_wheel, "-w", direct, source], scratch)
    (from_sdist,), (from_checkout,) = wheels.glob("detic-*.whl"), direct.glob("detic-*.whl")
    differing = files_of(from_sdist) ^ files_of(from_checkout)
    if differing:
        sys.exit(f"wheels from sdist and checkout differ in {sorted(differing)[:10]}")
    print(f"{from_sdist.name}: {from_sdist.stat().st_size / 1e6:.1f} MB")
    return list(wheels.glob("*.whl"))


def files_of(wheel: Path) -> set[str]:
    """Return the names of the files in a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def environment(folder: Path, wheels: Sequence[Path]) -> Path:
    """Return the Python of a new environment with the wheels, and with our packages behind them."""
    venv.create(folder, symlinks=True)
    python = folder / "bin" / "python"
    install = (sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-deps")
    run([*install, "--no-index", *wheels], folder)
    site = next((folder / "lib").glob("python*/site-packages"))
    # Paths that a .pth file adds come after the environment's own, and their .pth files, such as
    # that of an editable detic, do not count.
    (site / "behind.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    return python


def run(command: Sequence[str | Path], folder: Path, cache: Path | None = None) -> None:
    """Run a command in a folder, without what leads Python back to the checkout."""
    variables = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME")}
    if cache is not None:
        variables |= {"DETIC_CACHE": str(cache), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([*map(str, command)], cwd=folder, env=variables, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))} ended with status {done.returncode}")


if __name__ == "__main__":
    main()
