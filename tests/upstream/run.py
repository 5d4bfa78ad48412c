"""Tests on Facebook's Detectron2 instead of ./portable, on the CPU and without a compiler.

    make test-upstream
    python tests/upstream/run.py -k optimizer   # arguments for pytest; the programs are skipped

Detectron2 0.6 comes from the Python Package Index as a community's source distribution. It is
unpacked into a cache folder and put in front of the installed packages, with the changes of
patch/sitecustomize.py. All tests but those of ./portable run on it, then a short training, an
evaluation and the demo; at the end stands what 0.6 lacks. Exits with 0 if nothing failed but what
`KNOWN` explains.
"""

import os
import re
import subprocess
import sys
import tarfile
import tempfile
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PATCH = Path(__file__).resolve().parent / "patch"
CACHE = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "detic" / "upstream"
DISTRIBUTION = "pb1-detectron2"
# Imported by Detectron2; what they need themselves is installed anyway.
FURTHER = ("omegaconf", "antlr4-python3-runtime==4.9.3", "hydra-core", "cloudpickle", "shapely")
# Pattern in the report of a failed test: why it fails on 0.6 and not on ./portable.
KNOWN = {
    r"cuda is not available": "detectron2.engine.launch starts several processes on GPUs only",
    r"lsj/\d_\d\.seg: off by 255": "FixedSizeCrop of 0.6 fills label maps up with 0, not 255",
    r"0\.6 always takes the square root": "repeat factors of 0.6 have no option sqrt=False",
}


def fetch(cache: Path) -> list[Path]:
    """Return the folders to put on PYTHONPATH, after filling them if they are not there."""
    packages = cache / "packages"
    sources = list(cache.glob(f"{DISTRIBUTION}-*/detectron2/__init__.py"))
    if not sources:
        cache.mkdir(parents=True, exist_ok=True)
        # Detectron2's set-up imports torch, which is there only without isolation.
        pip("download", "--no-deps", "--no-build-isolation", "--dest", str(cache), DISTRIBUTION)
        with tarfile.open(next(cache.glob(f"{DISTRIBUTION}-*.tar.gz"))) as archive:
            archive.extractall(cache, filter="data")
        sources = list(cache.glob(f"{DISTRIBUTION}-*/detectron2/__init__.py"))
    if not (packages / FURTHER[-1]).exists():
        pip("install", "--no-deps", "--target", str(packages), *FURTHER)
    return [PATCH, sources[0].parents[1], packages, ROOT]


def pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    subprocess.run([*command, *arguments], check=True)


def environment(path: list[Path]) -> dict[str, str]:
    """Return the environment in which `import detectron2` finds the one under test."""
    return os.environ | {
        "PYTHONPATH": os.pathsep.join(map(str, path)),
        # fvcore uses torch.jit.script, which warns in the middle of error messages.
        "PYTHONWARNINGS": "ignore::FutureWarning",
        "CUDA_VISIBLE_DEVICES": "",
        "OMP_NUM_THREADS": "2",
    }


def run_tests(env: dict[str, str], arguments: list[str]) -> bool:
    """Run pytest, print the numbers and the failures by reason; return whether all is explained."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-q", "--tb=short", "-p", "no:cacheprovider"]
        command += ["tests", "--ignore=tests/portable", f"--junitxml={report}", *arguments]
        subprocess.run(command, cwd=ROOT, env=env, check=False)
        return print_report(ET.parse(report)) if report.exists() else False


def print_report(report: ET.ElementTree) -> bool:
    numbers, reasons, unexplained = Counter(), Counter(), []
    for case in report.iter("testcase"):
        failures = [*case.iter("failure"), *case.iter("error")]
        skipped = next(case.iter("skipped"), None)
        if skipped is not None:
            numbers["skipped"] += 1
            reasons["skipped: " + re.sub(r"/\S+/", "", skipped.get("message"))] += 1
        elif not failures:
            numbers["passed"] += 1
        else:
            numbers["failed"] += 1
            text = "\n".join(f"{f.get('message')}\n{f.text}" for f in failures)
            reason = next((why for pattern, why in KNOWN.items() if re.search(pattern, text)), None)
            if reason is None:
                unexplained.append(f"{case.get('classname')}::{case.get('name')}")
            else:
                reasons["failed as expected: " + reason] += 1
    print("\nTests on Detectron2 0.6:", ", ".join(f"{n} {what}" for what, n in numbers.items()))
    for reason, count in reasons.most_common():
        print(f"  {count:4d} {reason}")
    for name in unexplained:
        print(f"       FAILED {name}")
    return not unexplained


def run_programs(env: dict[str, str]) -> bool:
    """Train, evaluate and detect with the programs; return whether all of them ended with 0."""
    with tempfile.TemporaryDirectory() as folder:
        commands = program_commands(Path(folder))
        env = env | {"DETECTRON2_DATASETS": folder, "DETIC_CACHE": f"{folder}/cache"}
        succeeded = True
        for name, command in commands.items():
            done = subprocess.run(
                [sys.executable, *map(str, command)],
                cwd=ROOT,
                env=env,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            print(f"{name}: status {done.returncode}")
            if done.returncode != 0:
                print(done.stdout)
                succeeded = False
    return succeeded


def program_commands(folder: Path) -> dict[str, list]:
    """Return the commands by name, after making their data in `folder`.

    What they read was written on the distribution that is installed: files are exchangeable.
    """
    import cv2

    from tests.test_train_net import QUICK, make_datasets
    from tests.tiny_detector import OVERRIDES, RECIPE, noise, write_tiny_files

    make_datasets(folder)
    tiny = write_tiny_files(folder)
    cv2.imwrite(str(folder / "image.png"), noise())
    shapes = ["train_net.py", "--config-file", "configs/shapes/Detic.yaml", "--num-gpus", "0"]
    short = [*QUICK, "SOLVER.MAX_ITER", "3", "OUTPUT_DIR", folder / "output"]
    weights = ["MODEL.WEIGHTS", tiny.weights, "MODEL.TEXT_ENCODER.WEIGHTS", tiny.text_weights]
    return {
        "train_net.py": [*shapes, *short],
        "train_net.py --eval-only": [
            *(*shapes, "--eval-only", "OUTPUT_DIR", folder / "output"),
            *("DATALOADER.NUM_WORKERS", "0", "MODEL.ROI_BOX_HEAD.FED_LOSS_NUM_CAT", "10"),
            *("MODEL.WEIGHTS", folder / "output" / "model_final.pth"),
        ],
        "demo.py": [
            *("demo.py", "--config-file", RECIPE, "--cpu", "--input", folder / "image.png"),
            *("--output", folder / "drawn.png", "--vocabulary", "custom"),
            *("--custom_vocabulary", "cat,dog", "--opts", *OVERRIDES, *weights),
        ],
    }


def print_differences(env: dict[str, str]) -> bool:
    """Print what 0.6 lacks; return whether it has all names that are used."""
    command = [sys.executable, "-m", "tests.upstream.differences"]
    return subprocess.run(command, cwd=ROOT, env=env).returncode == 0


def main(arguments: list[str]) -> int:
    sys.path.insert(0, str(ROOT))
    env = environment(fetch(CACHE))
    succeeded = run_tests(env, arguments)
    if not arguments:
        succeeded &= run_programs(env)
    succeeded &= print_differences(env)
    return 0 if succeeded else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
