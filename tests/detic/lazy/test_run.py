"""Training and evaluating what a Python recipe describes."""

import json
from pathlib import Path

import pytest
import torch
from detectron2.config import instantiate
from detectron2.utils.events import EventStorage

from detic.errors import InputError
from detic.lazy.recipe import RunParams, load_python_recipe
from detic.lazy.run import Request, build_trainer, run
from detic_commands.train import argument_parser, main
from tests.detic.lazy.toy import OneWeight

pytest.importorskip("omegaconf")

EXAMPLE = Path(__file__).resolve().parents[3] / "configs" / "lazy" / "shapes_mask_rcnn.py"


def request(recipe, folder, *overrides, **options):
    overrides = (f"train.output_dir={folder}", *overrides)
    return Request(str(recipe), overrides, num_gpus=0, seed=0, **options)


def weight(folder, name="model_final"):
    state = torch.load(folder / f"{name}.pth", weights_only=True)
    return float(state["model"]["backbone.weight"]), state["iteration"]


def metrics(folder):
    return [json.loads(line) for line in (folder / "metrics.json").read_text().splitlines()]


def test_a_recipe_is_trained_and_evaluated(recipe, tmp_path):
    run(request(recipe, tmp_path / "out"))
    trained, iteration = weight(tmp_path / "out")
    assert iteration == 4
    assert 0 < trained < 3
    (last,) = metrics(tmp_path / "out")
    assert last["toy/count"] == 2
    assert last["toy/found"] == pytest.approx(trained)
    assert "OneWeight" in (tmp_path / "out" / "config.yaml").read_text()


def test_a_stopped_training_goes_on(recipe, tmp_path):
    run(request(recipe, tmp_path / "out", "train.max_iter=2"))
    before, _ = weight(tmp_path / "out")
    run(request(recipe, tmp_path / "out", "train.max_iter=5", resume=True))
    after, iteration = weight(tmp_path / "out")
    assert iteration == 5
    assert before < after < 3


def test_weights_are_evaluated(recipe, tmp_path, capsys):
    torch.save({"model": OneWeight(0).state_dict()}, tmp_path / "w.pth")
    evaluated = request(recipe, tmp_path / "out", eval_only=True)
    with pytest.raises(InputError, match=r"train\.init_checkpoint is empty"):
        run(evaluated)
    weights = f"train.init_checkpoint={tmp_path / 'w.pth'}"
    run(request(recipe, tmp_path / "out", weights, eval_only=True))
    assert not (tmp_path / "out" / "model_final.pth").exists()
    assert "Task: toy" in capsys.readouterr().out


def test_without_a_test_set_nothing_is_evaluated(recipe, tmp_path):
    recipe.write_text(f"{recipe.read_text()}\ndel dataloader['test']\n")
    run(request(recipe, tmp_path / "out"))
    weights = f"train.init_checkpoint={tmp_path / 'out' / 'model_final.pth'}"
    with pytest.raises(InputError, match=r"the recipe has no dataloader\.test"):
        run(request(recipe, tmp_path / "out", weights, eval_only=True))


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("del optimizer['params']", r"optimizer\.params is missing"),
        ("del dataloader['train']", r"the recipe has no dataloader\.train"),
        ("del dataloader['evaluator']", r"dataloader\.test\.dataset\.names has 0 datasets"),
    ],
)
def test_recipes_that_cannot_be_run_are_refused_before_anything_is_built(
    recipe, tmp_path, lines, message
):
    recipe.write_text(f"{recipe.read_text()}\n{lines}\n")
    with pytest.raises(InputError, match=message):
        run(request(recipe, tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_the_program_runs_python_recipes(recipe, tmp_path):
    command = ["--config-file", str(recipe), "--num-gpus", "0"]
    main(argument_parser().parse_args([*command, f"train.output_dir={tmp_path / 'out'}"]))
    assert weight(tmp_path / "out")[1] == 4
    with pytest.raises(InputError, match="--resume-eval goes with YAML recipes"):
        main(argument_parser().parse_args([*command, "--resume-eval"]))


def test_the_example_takes_a_step(pets, tmp_path):
    overrides = [
        *("dataloader.train.dataset.names=pets", "dataloader.train.num_workers=0"),
        *("dataloader.train.total_batch_size=2", f"train.output_dir={tmp_path}"),
    ]
    cfg = load_python_recipe(EXAMPLE, overrides)
    params = RunParams.from_recipe(cfg, device=lambda name: "cpu")
    model = instantiate(cfg.model)
    trainer = build_trainer(cfg, params, model, 0, request(EXAMPLE, tmp_path))
    before = model.roi_heads.mask_head.predictor.weight.clone()
    with EventStorage():
        losses = trainer.step(0, [next(iter(trainer.loader))])
    names = {"loss_cls", "loss_box_reg", "loss_mask", "loss_rpn_cls", "loss_rpn_loc"}
    assert set(losses) == names
    assert not torch.equal(model.roi_heads.mask_head.predictor.weight, before)
