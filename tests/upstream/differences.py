"""Prints what the code here uses of Detectron2 that the installed one has not.

    python -m tests.upstream.differences

It is compared with the recorded API of Detectron2's main branch. Exits with 1 if a name is missing.
"""

import importlib
import sys
from pathlib import Path

import detectron2
import sitecustomize

from tests.detectron2_api import imported_names, left_out, read_upstream_api

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("detic", "centernet", "tools", "benchmarks", "tests")


def used_names() -> dict[str, list[str]]:
    """Return the imported names of detectron2 and the files that import them.

    The tests of the portable distribution are left out.
    """
    files = [file for folder in FOLDERS for file in sorted((ROOT / folder).rglob("*.py"))]
    files += sorted(ROOT.glob("*.py"))
    portable = ROOT / "tests" / "portable"
    return imported_names(file for file in files if portable not in file.parents)


def find(key: str):
    """Return what "module:name" or "module" means, None if it is not there."""
    module, _, name = key.partition(":")
    try:
        loaded = importlib.import_module(module)
        if not name or hasattr(loaded, name):
            return getattr(loaded, name, loaded)
        return importlib.import_module(f"{module}.{name}")
    except ModuleNotFoundError:
        return None


def main() -> int:
    api = read_upstream_api()
    used = used_names()
    missing = {key: files for key, files in used.items() if find(key) is None}
    print(f"detectron2 {detectron2.__version__} at {Path(detectron2.__file__).parent}")
    print(f"{len(used)} names are used, {len(missing)} of them are missing")
    for key, files in sorted(missing.items()):
        print(f"  {key}, used by {', '.join(files)}")
    print("added for the tests, as later versions have it:")
    for line in getattr(sitecustomize, "ADDED", ()):
        print(f"  {line}")
    print("what the main branch adds to names that are used:")
    for key in sorted(used.keys() & api.keys() - missing.keys()):
        options, members = left_out(find(key), api[key])
        if options or members:
            print(f"  {key}: {', '.join([*options, *members])}")
    return int(bool(missing))


if __name__ == "__main__":
    sys.exit(main())
