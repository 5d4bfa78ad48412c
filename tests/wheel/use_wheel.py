"""What ``try_wheel.py`` does with an installed wheel, in a folder without a checkout."""

import json
import subprocess
import sys
import time
from pathlib import Path

import detic
import detic_lite
from detic import Detector
from detic.paths import resource
from detic.shapes.preparation import embed_classes
from detic.shapes.runs import TEXT_WEIGHTS
from detic.shapes.world import generate_world
from detic.vocabulary import builtin_vocabulary, expand_parents

SCENE = resource("docs/pictures/scene.png")
NAMES = ["green gear", "yellow mug"]
DETIC = Path(sys.executable).with_name("detic")
QUICK = (
    *("SOLVER.MAX_ITER", "3", "DATALOADER.NUM_WORKERS", "0", "OUTPUT_DIR", "out"),
    *("MODEL.ROI_BOX_HEAD.FED_LOSS_NUM_CAT", "10", "DATASETS.TEST", "()"),
)


def call(*arguments: str, may_fail: bool = False) -> str:
    """Return what a command of ``detic`` prints."""
    start = time.perf_counter()
    done = subprocess.run(
        [DETIC, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    print(f"{time.perf_counter() - start:6.2f} s  detic {' '.join(arguments)[:70]}", flush=True)
    assert may_fail or done.returncode == 0, done.stdout
    return done.stdout


def main() -> None:
    installed = Path(detic.__file__).parent
    assert installed.is_relative_to(sys.prefix), installed
    assert call("--version") == f"detic {detic.__version__}\n"
    assert (installed / "py.typed").is_file()
    check_lite()
    check_doctor()
    check_vocabularies()
    check_detection()
    check_training()


def check_lite() -> None:
    assert Path(detic_lite.__file__).is_relative_to(sys.prefix), detic_lite.__file__
    program = Path(sys.executable).with_name("detic-lite")
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"detic-lite {detic_lite.__version__}\n"


def check_doctor() -> None:
    report = call("doctor", may_fail=True)
    wrong = report.partition("What is wrong:")[2].strip().splitlines()
    # Containers may have little shared memory, and a GPU that no driver serves.
    assert all(any(word in line for word in ("shared memory", "GPU")) for line in wrong), report
    assert "class lists  lvis 1203" in report, report


def check_vocabularies() -> None:
    assert len(builtin_vocabulary("lvis")) == 1203
    assert len(expand_parents(builtin_vocabulary("coco"))) > 80


def check_detection() -> None:
    flags = ("--input", str(SCENE), "--json", "found.json", "--output", "out.png")
    call("detect", "--model", "shapes-detic", *flags, "--custom-vocabulary", ",".join(NAMES))
    (image,) = json.loads(Path("found.json").read_text())
    assert {found["name"] for found in image["detections"]} == set(NAMES)
    assert Path("out.png").is_file()
    detections = Detector.from_pretrained("shapes-detic", NAMES, device="cpu")(str(SCENE))
    assert set(detections.names) == set(NAMES)


def check_training() -> None:
    sizes = {"train_images": 40, "val_images": 8, "labels_per_class": 1}
    generate_world("datasets", 0, **sizes, progress=False)
    embed_classes("datasets", TEXT_WEIGHTS)
    assert "ready" in call("data", "check", "shapes_val", "shapes_train_base", "shapes_labels")
    recipe = ("--config-file", "configs/shapes/Detic.yaml", "--num-gpus", "0")
    call("train", *recipe, *QUICK)
    assert Path("out/model_final.pth").is_file()
    table = call("evaluate", *recipe, "MODEL.WEIGHTS", "models/shapes/detic.pth")
    assert "APr" in table
    assert Path("output").is_dir()


if __name__ == "__main__":
    main()
