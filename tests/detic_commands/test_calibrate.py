"""Score thresholds by class, from a small world and the shapes detector."""

import json

from detic.shapes.world import generate_world
from detic.vocabulary import read_vocabulary_file
from detic_commands.vocabulary import calibrate

NAMES = ["red star", "blue star", "red ring", "blue ring", "green striped ring"]
SIZES = {"train_images": 8, "val_images": 1, "labels_per_class": 1}


def test_a_vocabulary_file_gets_thresholds(tmp_path, capsys):
    world = generate_world(tmp_path, 0, **SIZES, nouns=("star", "ring"), progress=False)
    names = tmp_path / "names.txt"
    names.write_text("\n".join([*NAMES, "gull"]))
    out = tmp_path / "classes.json"
    command = ["--model", "shapes-detic", "--vocabulary", str(names), "--device", "cpu"]
    command += ["--annotations", str(world / "annotations" / "train.json"), "--images", str(world)]
    command += ["--false-alarms", "0", "--out_path", str(out)]
    calibrate.main(calibrate.argument_parser("detic").parse_args(command))
    entries = read_vocabulary_file(out).entries
    assert [entry.name for entry in entries] == [*NAMES, "gull"]
    fitted = sum(isinstance(item, dict) for item in json.loads(out.read_text()))
    shown = capsys.readouterr().out
    assert f"{fitted} of 6 classes have a new threshold" in shown
    assert fitted
