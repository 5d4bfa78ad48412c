"""Command line, set-up and writers that most programs share, and a predictor for one image."""

import argparse
import logging
import os

import detectron2.data.transforms as T
import numpy as np
import torch
from detectron2.checkpoint import DetectionCheckpointer
from detectron2.config import CfgNode
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


def default_argument_parser(epilog: str | None = None) -> argparse.ArgumentParser:
    """Returns a parser of the arguments of training and evaluation programs.

    Args:
        epilog: last paragraph of the help text.
    """
    parser = argparse.ArgumentParser(
        epilog=epilog, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config-file", default="", metavar="FILE", help="path of a YAML file")
    parser.add_argument(
        "--resume",
        action="store_true",
        help="continue from the newest checkpoint in OUTPUT_DIR, if there is one",
    )
    parser.add_argument("--eval-only", action="store_true", help="evaluate MODEL.WEIGHTS only")
    parser.add_argument("--num-gpus", type=int, default=1, help="processes on each machine")
    parser.add_argument("--num-machines", type=int, default=1, help="machines of the job")
    parser.add_argument("--machine-rank", type=int, default=0, help="number of this one, from 0")
    parser.add_argument(
        "--dist-url",
        default="auto",
        help="tcp://HOST:PORT of machine 0; 'auto' takes a free port on a single machine",
    )
    parser.add_argument(
        "opts",
        nargs=argparse.REMAINDER,
        help="configuration options that override the file, as KEY VALUE pairs at the end",
    )
    return parser


def default_setup(cfg: CfgNode, args: argparse.Namespace) -> None:
    """Prepares the process for a run: output folder, loggers, random seeds, number formats.

    The environment, the arguments and the configuration are logged, and the configuration is
    written to `config.yaml` in the output folder.

    Args:
        cfg: complete configuration.
        args: parsed command line.
    """
    rank = comm.get_rank()
    if comm.is_main_process() and cfg.OUTPUT_DIR:
        PathManager.mkdirs(cfg.OUTPUT_DIR)
    output_dir = cfg.OUTPUT_DIR or None
    setup_logger(output_dir, distributed_rank=rank, name="fvcore")
    logger = setup_logger(output_dir, distributed_rank=rank)
    logger.info("Rank of this process: %d, processes: %d", rank, comm.get_world_size())
    logger.info("Environment:\n%s", collect_env_info())
    logger.info("Command line arguments: %s", args)
    logger.info("Configuration:\n%s", cfg.dump())
    if comm.is_main_process() and output_dir:
        _write_config(cfg, os.path.join(output_dir, "config.yaml"))

    # Augmentations must differ between processes.
    seed_all_rng(None if cfg.SEED < 0 else cfg.SEED + rank)
    if cfg.FLOAT32_PRECISION:
        torch.set_float32_matmul_precision(cfg.FLOAT32_PRECISION)
    if not getattr(args, "eval_only", False):
        # Test images have too many sizes for cuDNN to search the fastest kernel for each.
        torch.backends.cudnn.benchmark = cfg.CUDNN_BENCHMARK


def _write_config(cfg: CfgNode, path: str) -> None:
    with open(path + ".tmp", "w") as f:
        f.write(cfg.dump())
    os.replace(path + ".tmp", path)
    logging.getLogger(__name__).info("Configuration saved to %s", path)


def default_writers(output_dir: str, max_iter: int | None = None) -> list[EventWriter]:
    """Returns writers to the log, to `metrics.json` and to a TensorBoard log in `output_dir`.

    Args:
        output_dir: created if missing.
        max_iter: length of the training, for the estimate of the time left.
    """
    PathManager.mkdirs(output_dir)
    return [
        CommonMetricPrinter(max_iter),
        JSONWriter(os.path.join(output_dir, "metrics.json")),
        TensorboardXWriter(output_dir),
    ]


class DefaultPredictor:
    """A trained model as a function from one image to its predictions.

    Attributes:
        metadata: of the first test dataset of the configuration, if it has one.
    """

    def __init__(self, cfg: CfgNode):
        """Builds the model of `cfg`, loads MODEL.WEIGHTS and prepares the resizing of INPUT."""
        self.cfg = cfg.clone()
        self.model = build_model(self.cfg)
        self.model.eval()
        if cfg.DATASETS.TEST:
            self.metadata = MetadataCatalog.get(cfg.DATASETS.TEST[0])
        DetectionCheckpointer(self.model).load(cfg.MODEL.WEIGHTS)
        self.aug = T.ResizeShortestEdge(
            [cfg.INPUT.MIN_SIZE_TEST, cfg.INPUT.MIN_SIZE_TEST], cfg.INPUT.MAX_SIZE_TEST
        )
        self.input_format = cfg.INPUT.FORMAT
        if self.input_format not in ("RGB", "BGR"):
            raise ValueError(f"INPUT.FORMAT is '{self.input_format}'; choose RGB or BGR")

    @torch.no_grad()
    def __call__(self, original_image: np.ndarray) -> dict:
        """Returns the predictions of the model for one image, in its own size.

        Args:
            original_image: (H, W, 3) uint8 in BGR order, as OpenCV reads it.
        """
        height, width = original_image.shape[:2]
        image = original_image[:, :, ::-1] if self.input_format == "RGB" else original_image
        image = self.aug.get_transform(image).apply_image(image)
        tensor = torch.as_tensor(image.astype("float32").transpose(2, 0, 1))
        inputs = {"image": tensor.to(self.cfg.MODEL.DEVICE), "height": height, "width": width}
        return self.model([inputs])[0]
