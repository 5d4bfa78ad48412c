"""Command line, set-up and the predictor."""

import logging
import random

import numpy as np
import pytest
import torch
from detectron2.config import get_cfg
from detectron2.engine import (
    DefaultPredictor,
    create_ddp_model,
    default_argument_parser,
    default_setup,
    default_writers,
)
from detectron2.engine import defaults as defaults_module
from detectron2.utils.events import CommonMetricPrinter, JSONWriter, TensorboardXWriter
from detectron2.utils.logger import setup_logger
from torch import nn


@pytest.fixture
def clean_loggers():
    setup_logger.cache_clear()
    yield
    for name in ("detectron2", "fvcore"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    setup_logger.cache_clear()


def test_command_line():
    line = "--config-file a.yaml --eval-only --num-gpus 2 --dist-url tcp://h:1 SEED 3"
    args = default_argument_parser().parse_args(line.split())
    assert (args.config_file, args.eval_only, args.resume) == ("a.yaml", True, False)
    assert (args.num_gpus, args.num_machines, args.machine_rank) == (2, 1, 0)
    assert (args.dist_url, args.opts) == ("tcp://h:1", ["SEED", "3"])


def test_setup_writes_config_and_log_and_seeds(tmp_path, clean_loggers):
    cfg = get_cfg()
    cfg.OUTPUT_DIR = str(tmp_path / "run")
    cfg.SEED = 5
    default_setup(cfg, default_argument_parser().parse_args([]))
    first = random.random(), np.random.rand(), torch.rand(()).item()
    default_setup(cfg, default_argument_parser().parse_args([]))
    assert first == (random.random(), np.random.rand(), torch.rand(()).item())
    again = get_cfg()
    again.merge_from_file(str(tmp_path / "run" / "config.yaml"))
    assert again.SEED == 5
    assert "Command line arguments" in (tmp_path / "run" / "log.txt").read_text()


class EchoModel(nn.Module):
    def forward(self, batch):
        return [{"input": batch[0], "training": self.training}]


@pytest.mark.parametrize("image_format", ["BGR", "RGB"])
def test_predictor_resizes_and_orders_channels(monkeypatch, image_format):
    monkeypatch.setattr(defaults_module, "build_model", lambda cfg: EchoModel())
    cfg = get_cfg()
    cfg.MODEL.DEVICE = "cpu"
    cfg.INPUT.FORMAT = image_format
    cfg.INPUT.MIN_SIZE_TEST = 8
    image = np.zeros((4, 6, 3), np.uint8)
    image[..., 0] = 200  # blue
    output = DefaultPredictor(cfg)(image)
    inputs = output["input"]
    assert not output["training"]
    assert inputs["image"].shape == (3, 8, 12)
    assert inputs["image"].dtype == torch.float32
    assert (inputs["height"], inputs["width"]) == (4, 6)
    blue = 0 if image_format == "BGR" else 2
    assert inputs["image"].mean(dim=(1, 2)).tolist() == [200.0 * (c == blue) for c in range(3)]


def test_predictor_refuses_other_formats(monkeypatch):
    monkeypatch.setattr(defaults_module, "build_model", lambda cfg: EchoModel())
    cfg = get_cfg()
    cfg.INPUT.FORMAT = "L"
    with pytest.raises(ValueError, match=r"INPUT.FORMAT is 'L'; choose RGB or BGR"):
        DefaultPredictor(cfg)


def test_setup_takes_lazy_configurations(tmp_path, clean_loggers):
    omegaconf = pytest.importorskip("omegaconf")
    options = {"output_dir": str(tmp_path / "run"), "seed": 5}
    cfg = omegaconf.OmegaConf.create({"train": options, "model": {"_target_": "builtins.dict"}})
    default_setup(cfg, default_argument_parser().parse_args([]))
    first = torch.rand(()).item()
    default_setup(cfg, default_argument_parser().parse_args([]))
    assert first == torch.rand(()).item()
    assert omegaconf.OmegaConf.load(tmp_path / "run" / "config.yaml") == cfg


def test_usual_writers(tmp_path):
    writers = default_writers(str(tmp_path / "run"), 10)
    kinds = [CommonMetricPrinter, JSONWriter, TensorboardXWriter]
    assert [type(writer) for writer in writers] == kinds
    for writer in writers:
        writer.close()
    assert (tmp_path / "run" / "metrics.json").exists()


def test_one_process_trains_the_model_itself():
    model = nn.Linear(1, 1)
    assert create_ddp_model(model, fp16_compression=True) is model
