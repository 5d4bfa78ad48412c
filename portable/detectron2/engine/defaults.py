"""Command line and set-up that most programs share, and a predictor for one image."""

import argparse
import os
from pathlib import Path
from typing import Any

import detectron2.data.transforms as T
import numpy as np
import torch
from detectron2.checkpoint import DetectionCheckpointer
from detectron2.config import CfgNode, LazyConfig
from detectron2.data import MetadataCatalog
from detectron2.modeling import build_model
from detectron2.utils import comm
from detectron2.utils.collect_env import collect_env_info
from detectron2.utils.env import seed_all_rng
from detectron2.utils.events import (
    CommonMetricPrinter,
    EventWriter,
    JSONWriter,
    TensorboardXWriter,
)
from detectron2.utils.file_io import PathManager
from detectron2.utils.logger import setup_logger
from torch import nn
from torch.distributed.algorithms.ddp_comm_hooks import default_hooks


def default_argument_parser(epilog: str | None = None) -> argparse.ArgumentParser:
    """Return a parser of the arguments of training and evaluation programs."""
    parser = argparse.ArgumentParser(
        epilog=epilog, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--config-file", default="", metavar="FILE", help="path of a YAML file")
    add(
        "--resume", action="store_true", help="continue from OUTPUT_DIR's newest checkpoint, if any"
    )
    add("--eval-only", action="store_true", help="evaluate MODEL.WEIGHTS only")
    add("--num-gpus", type=int, default=1, help="processes on each machine")
    add("--num-machines", type=int, default=1, help="machines of the job")
    add("--machine-rank", type=int, default=0, help="number of this one, from 0")
    add("--dist-url", default="auto", help="tcp://HOST:PORT of machine 0; 'auto': a free port")
    add("opts", nargs=argparse.REMAINDER, help="KEY VALUE pairs that override the file")
    return parser


def default_setup(cfg: Any, args: argparse.Namespace) -> None:
    """Prepare the process for a run: output folder, loggers, random seeds, number formats.

    The environment, the arguments and the configuration are logged, and the configuration is
    written to `config.yaml` in the output folder, which is created if missing.

    Args:
        cfg: a CfgNode, or what LazyConfig loads; there the options are `train.output_dir`,
            `train.seed`, `train.cudnn_benchmark` and `train.float32_precision`.
    """
    rank = comm.get_rank()
    output = Path(_option(cfg, "OUTPUT_DIR", "train.output_dir", default="./output"))
    output.mkdir(parents=True, exist_ok=True)
    setup_logger(str(output), distributed_rank=rank, name="fvcore")
    logger = setup_logger(str(output), distributed_rank=rank)
    logger.info("Rank of this process: %d, processes: %d", rank, comm.get_world_size())
    logger.info("Environment:\n%s", collect_env_info())
    logger.info("Command line arguments: %s", args)
    if comm.is_main_process():
        written = output / "config.tmp.yaml"
        if isinstance(cfg, CfgNode):
            written.write_text(cfg.dump())
        else:
            LazyConfig.save(cfg, str(written))
        logger.info("Configuration:\n%s", written.read_text())
        os.replace(written, output / "config.yaml")

    # Augmentations must differ between processes.
    seed = _option(cfg, "SEED", "train.seed", default=-1)
    seed_all_rng(None if seed < 0 else seed + rank)
    precision = _option(cfg, "FLOAT32_PRECISION", "train.float32_precision", default="")
    if precision:
        torch.set_float32_matmul_precision(precision)
    if not getattr(args, "eval_only", False):
        # Test images have too many sizes for cuDNN to search the fastest kernel for each.
        torch.backends.cudnn.benchmark = _option(
            cfg, "CUDNN_BENCHMARK", "train.cudnn_benchmark", default=False
        )


def _option(cfg: Any, key: str, lazy_key: str, *, default: Any) -> Any:
    """Return an option of a CfgNode, or of a LazyConfig under its dotted key there."""
    if isinstance(cfg, CfgNode):
        return cfg.get(key, default)
    for part in lazy_key.split("."):
        if part not in cfg:
            return default
        cfg = cfg[part]
    return cfg


def default_writers(output_dir: str, max_iter: int | None = None) -> list[EventWriter]:
    """Return writers to the log, to `metrics.json` and to TensorBoard, in that order.

    `max_iter` is the number of iterations of the run, from which the time left is estimated.
    """
    PathManager.mkdirs(output_dir)
    return [
        CommonMetricPrinter(max_iter),
        JSONWriter(os.path.join(output_dir, "metrics.json")),
        TensorboardXWriter(output_dir),
    ]


def create_ddp_model(model: nn.Module, *, fp16_compression: bool = False, **kwargs) -> nn.Module:
    """Return a model for data-parallel training, itself if there is one process only.

    Args:
        fp16_compression: exchange gradients in half precision.
        kwargs: further arguments of `torch.nn.parallel.DistributedDataParallel`.
    """
    if comm.get_world_size() == 1:
        return model
    if next(model.parameters()).is_cuda:
        kwargs.setdefault("device_ids", [comm.get_local_rank()])
    parallel = nn.parallel.DistributedDataParallel(model, **kwargs)
    if fp16_compression:
        parallel.register_comm_hook(state=None, hook=default_hooks.fp16_compress_hook)
    return parallel


class DefaultPredictor:
    """A trained model as a function from one image to its predictions.

    Attributes:
        metadata: of the first test dataset of the configuration, if it has one.
    """

    def __init__(self, cfg: CfgNode):
        """Build the model of `cfg`, load MODEL.WEIGHTS and prepare the resizing of INPUT."""
        self.cfg = cfg.clone()
        self.model = build_model(self.cfg)
        self.model.eval()
        if cfg.DATASETS.TEST:
            self.metadata = MetadataCatalog.get(cfg.DATASETS.TEST[0])
        DetectionCheckpointer(self.model).load(cfg.MODEL.WEIGHTS)
        self.aug = T.ResizeShortestEdge(cfg.INPUT.MIN_SIZE_TEST, cfg.INPUT.MAX_SIZE_TEST)
        self.input_format = cfg.INPUT.FORMAT
        if self.input_format not in ("RGB", "BGR"):
            raise ValueError(f"INPUT.FORMAT is '{self.input_format}'; choose RGB or BGR")

    @torch.no_grad()
    def __call__(self, original_image: np.ndarray) -> dict:
        """Return the predictions for an image (H, W, 3) uint8, BGR as OpenCV reads it."""
        height, width = original_image.shape[:2]
        image = original_image[:, :, ::-1] if self.input_format == "RGB" else original_image
        image = self.aug.get_transform(image).apply_image(image)
        tensor = torch.as_tensor(image.astype("float32").transpose(2, 0, 1))
        inputs = {"image": tensor.to(self.cfg.MODEL.DEVICE), "height": height, "width": width}
        return self.model([inputs])[0]
