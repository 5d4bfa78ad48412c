"""The command from its arguments to its exit status; workers that are processes are elsewhere."""

import json
import os
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest

from detic.errors import InputError
from detic.labelling.engine import EngineOptions
from detic.labelling.job import open_job
from detic.labelling.labellers import build_labeller, describe_detector
from detic.labelling.ray_engine import RayEngine
from detic.labelling.run import ENGINES, engine_options, run_label, share_of
from detic.labelling.shards import MAX_IMAGES
from detic.labelling.worker import ShardWorker, label_shard
from detic.predictor import Detector
from detic.shapes.classes import draw_classes
from detic.shapes.images import random_scene
from detic.shapes.streams import Stream, generator
from detic_commands.label import run, status
from tests.detic.labelling.conftest import LABELLER, label


class HereEngine:
    """Labels in this process."""

    def __init__(self, folder, options, report):
        self.job, self.options = open_job(folder), options

    def run(self, shards):
        label(self.job, shards, self.options.retry_failed)
        return {}


@pytest.fixture
def run_command(plan, names, monkeypatch):
    monkeypatch.setitem(ENGINES, "local", HereEngine)

    def run_command(*words, labeller=LABELLER):
        parser = run.argument_parser()
        more = ["--shard-size", "4", "--labeller", labeller]
        return run_label(parser.parse_args([*words, *more]))

    return run_command


def test_a_job_is_planned_and_done(run_command, capsys):
    assert run_command("names.txt", "--job", "j") == 0
    assert "images   10 of 10, 2 failed" in capsys.readouterr().out
    assert run_command("names.txt", "--job", "j", "--strict") == 3
    assert status.main(status.argument_parser().parse_args(["j", "--json"])) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["failures"] == 2


def test_shares_complete_each_other(run_command):
    assert run_command("names.txt", "--job", "j", "--plan-only") == 0
    assert open_job("j").missing() == [0, 1, 2]
    assert run_command("--job", "j", "--shard", "0/2") == 0
    assert open_job("j").missing() == [1]
    assert run_command("--job", "j", "--shard", "1/2") == 0
    assert open_job("j").missing() == []
    assert [share_of([0, 1, 2], (place, 2)) for place in (0, 1)] == [[0, 2], [1]]


def test_other_settings_are_refused(run_command, monkeypatch):
    run_command("names.txt", "--job", "j", "--plan-only")
    monkeypatch.setattr("tests.quick_labeller.QuickLabeller.class_names", ("bowl",))
    with pytest.raises(InputError, match=r"a job with other vocabulary; name the same to go on"):
        run_command("names.txt", "--job", "j")


def test_a_job_without_inputs_is_checked_too(run_command, monkeypatch):
    run_command("names.txt", "--job", "j", "--plan-only")
    monkeypatch.setattr("tests.quick_labeller.QuickLabeller.class_names", ("bowl",))
    with pytest.raises(InputError, match=r"a job with other vocabulary; name the same to go on"):
        ShardWorker(Path("j").resolve())


def test_options_of_the_plan_do_not_go_without_its_inputs():
    line = ["--job", "j", "--workers", "2", "--device", "cpu", "--strict"]
    parse = run.argument_parser().parse_args
    assert run.options_of_plan(parse(line)) == []
    planned = ["--shard-size", "4", "--boxes-only", "--opts", "MODEL.DEVICE", "cpu"]
    given = run.options_of_plan(parse([*line, *planned]))
    assert given == ["--shard-size", "--opts", "--boxes-only"]
    with pytest.raises(InputError, match=r"leave out --shard-size, --opts, --boxes-only, or name"):
        run.main(parse([*line, *planned]))


def test_examples_of_classes_are_compared_by_their_content(tmp_path, write_image, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "v.yaml").write_text("[{name: cup, examples: [cup.png]}]")
    words = ["--job", "j", "--model", "shapes-detic", "--vocabulary-file", "v.yaml"]
    arguments = run.argument_parser().parse_args(words)
    digests = []
    for seed in (0, 0, 1):
        write_image("cup.png", seed=seed)
        digests.append(describe_detector(arguments).settings["vocabulary"])
    assert digests[0] == digests[1] != digests[2]


@pytest.mark.parametrize(
    ("planned", "words", "num_gpus", "devices"),
    [
        ([], [], 0, []),
        ([], [], 2, ["cuda:0", "cuda:1"]),
        (["--device", "cuda"], [], 2, ["cuda:0", "cuda:1"]),
        (["--device", "cuda:1"], [], 2, ["cuda:1"]),
        (["--device", "cuda"], ["--cpu"], 2, ["cpu"]),
    ],
)
def test_each_run_may_say_where_it_computes(
    plan, names, monkeypatch, planned, words, num_gpus, devices
):
    monkeypatch.setattr("torch.cuda.device_count", lambda: num_gpus)
    parse = run.argument_parser().parse_args
    job = replace(plan("names.txt"), labeller=vars(parse(["--job", "job", *planned])))
    options = engine_options(job, parse(["--job", "job", *words]))
    assert options.devices == devices
    assert options.workers == max(1, len(devices))
    assert options.needs_gpu == (num_gpus > 0 and devices != ["cpu"])


def test_a_share_tries_its_own_failures_again(run_command):
    run_command("names.txt", "--job", "j")
    run_command("--job", "j", "--retry-failed", "--shard", "1/3")
    assert open_job("j").missing() == []
    times = {i: open_job("j").part_path(i).stat().st_mtime_ns for i in range(3)}
    run_command("--job", "j", "--retry-failed", "--shard", "0/3")
    assert {i for i in times if open_job("j").part_path(i).stat().st_mtime_ns != times[i]} <= {0}
    assert open_job("j").missing() == []


def test_failures_are_tried_once_more(run_command):
    run_command("names.txt", "--job", "j")
    parts = [open_job("j").part_path(index) for index in range(3)]
    for part in parts:
        os.utime(part, (0, 0))
    run_command("--job", "j", "--retry-failed")
    assert [part.stat().st_mtime == 0 for part in parts] == [False, True, False]


def test_other_folders_are_not_written_into(run_command, tmp_path):
    with pytest.raises(InputError, match=r"holds names\.txt; name a new folder"):
        run_command("names.txt", "--job", str(tmp_path))


def test_unknown_labellers_are_named(run_command):
    with pytest.raises(InputError, match=r"--labeller names 'nowhere:make'"):
        run_command("names.txt", "--job", "j", labeller="nowhere:make")


def test_every_engine_can_be_named():
    assert tuple(ENGINES) == run.ENGINES
    assert MAX_IMAGES == run.MAX_IMAGES


@pytest.mark.parametrize("text", ["3", "2/2", "-1/2", "a/b", "1/"])
def test_shares_that_are_none_are_refused(text, capsys):
    with pytest.raises(SystemExit):
        run.argument_parser().parse_args(["--job", "j", "--shard", text])
    assert "is no share" in capsys.readouterr().err or text == "-1/2"


def test_ray_that_is_missing_is_named(tmp_path):
    if find_spec("ray"):
        pytest.skip("ray is installed")
    with pytest.raises(InputError, match=r"--engine ray needs the package ray"):
        RayEngine(tmp_path, EngineOptions(), lambda count: None).run([0])


@pytest.fixture
def small_ray(monkeypatch):
    """Ray has room for one worker, and no GPU."""
    ray = pytest.importorskip("ray", reason="needs the package ray")
    init = ray.init
    monkeypatch.setattr(
        ray, "init", lambda *a, **kw: init(*a, **kw | {"num_cpus": 1, "num_gpus": 0})
    )


def test_ray_labels_as_this_process_does(plan, names, tmp_path, small_ray):
    (tmp_path / "gone.txt").write_text("a.jpg")
    here, there = (plan("names.txt", "gone.txt", folder=name) for name in ("here", "there"))
    label(here)
    (tmp_path / "gone.txt").unlink()
    engine = RayEngine(there.folder, EngineOptions(workers=2), lambda count: None)
    assert "gone.txt has changed" in engine.run([0, 1, 2, 3])[3]
    assert there.missing() == [3]
    for index in range(3):
        assert here.part_path(index).read_bytes() == there.part_path(index).read_bytes()


def test_ray_without_room_for_a_worker_ends(plan, names, small_ray, monkeypatch):
    monkeypatch.setattr("detic.labelling.ray_engine._START_S", 1.0)
    engine = RayEngine(plan("names.txt").folder, EngineOptions(needs_gpu=True), lambda count: None)
    with pytest.raises(
        InputError, match=r"no worker of Ray began .* needs a CPU and a GPU, and free"
    ):
        engine.run([0, 1, 2])


def test_drawn_scenes_are_labelled_as_by_the_detector(plan, tmp_path):
    from PIL import Image

    names = ["green gear", "red star"]
    classes = [c for c in draw_classes(0) if c.name in names]
    for number in range(12):
        scene = random_scene(classes, generator(0, Stream.VAL, number))
        Image.fromarray(scene.rgb).save(tmp_path / f"{number:02d}.png")
    words = [
        "*.png",
        "--job",
        "j",
        "--model",
        "shapes-detic",
        "--device",
        "cpu",
        "--shard-size",
        "5",
    ]
    arguments = run.argument_parser().parse_args([*words, "--custom-vocabulary", ",".join(names)])
    arguments.plan_only = True
    assert run_label(arguments) == 0
    job = open_job(tmp_path / "j")
    assert job.settings == describe_detector(arguments).settings
    labeller = build_labeller(job.labeller)
    for index in range(job.num_shards):
        label_shard(job, index, labeller, lambda count: None)
    assert job.missing() == []
    detector = Detector.from_pretrained("shapes-detic", names, device="cpu")
    lines = [json.loads(line) for line in job.part_path(2).read_text().splitlines()[:-1]]
    assert [line["file_name"] for line in lines] == ["10.png", "11.png"]
    assert sum(len(line["detections"]) for line in lines) > 4
    for place, line in enumerate(lines, start=1):
        assert line == json.loads(detector(line["file_name"]).to_json(place))
