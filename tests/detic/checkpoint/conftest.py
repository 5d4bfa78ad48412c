"""Models and weight files for the loader: real recipes with made-up classes, and toy models."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from detectron2.config import get_cfg
from detectron2.modeling import build_model
from torch import nn
from torch.overrides import TorchFunctionMode

from centernet.config import add_centernet_config
from detic.config import add_detic_config, class_count
from detic.modeling import meta_arch
from detic.vocabulary.text_encoder import CLIPTextEncoder

ROOT = Path(__file__).parents[3]
MANIFESTS = ROOT / "tests" / "parity" / "reference" / "state_dicts"


@pytest.fixture
def build_recipe(tmp_path, monkeypatch):
    """A function from a recipe's name and overrides to its model, with all embeddings alike."""
    monkeypatch.setattr(meta_arch, "build_text_encoder", CLIPTextEncoder)

    def build(recipe, *overrides):
        cfg = get_cfg()
        add_centernet_config(cfg)
        add_detic_config(cfg)
        cfg.merge_from_file(str(ROOT / "configs" / f"{recipe}.yaml"))
        cfg.merge_from_list(["MODEL.DEVICE", "cpu", *overrides])
        num_classes = class_count(cfg)
        np.save(tmp_path / "classes.npy", np.ones((num_classes, 512), np.float16))
        counts = [{"id": i + 1, "image_count": i + 1} for i in range(min(num_classes, 1203))]
        (tmp_path / "counts.json").write_text(json.dumps(counts))
        cfg.MODEL.ROI_BOX_HEAD.ZEROSHOT_WEIGHT_PATH = str(tmp_path / "classes.npy")
        cfg.MODEL.ROI_BOX_HEAD.CAT_FREQ_PATH = str(tmp_path / "counts.json")
        with NoRandomNumbers():
            return build_model(cfg)

    return build


class NoRandomNumbers(TorchFunctionMode):
    """Fills tensors with zeros instead of random numbers, which take most of building."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func in (torch.Tensor.uniform_, torch.Tensor.normal_):
            return args[0].detach().zero_()
        return func(*args, **(kwargs or {}))


def read_manifest(name):
    """The recipe of a released architecture, and zeros under its names that take no memory."""
    manifest = json.loads(gzip.decompress((MANIFESTS / f"{name}.json.gz").read_bytes()))
    tensors = {
        name: torch.zeros((), dtype=getattr(torch, entry["dtype"])).expand(entry["shape"])
        for name, entry in manifest["state_dict"].items()
    }
    return manifest["config"], tensors


def distinct(shapes):
    """Tensors of the given shapes by name, no two values alike."""
    tensors, start = {}, 0
    for name, shape in shapes.items():
        tensors[name] = torch.arange(start, start + torch.Size(shape).numel()).float().view(shape)
        start += tensors[name].numel()
    return tensors


def numbered(module):
    """Tensors of the names and shapes of a module on the meta device, each of one value.

    They take no memory, nor space in files.
    """
    return {
        name: torch.tensor(i, dtype=tensor.dtype, device="cpu").expand(tensor.shape)
        for i, (name, tensor) in enumerate(module.state_dict().items())
    }


def toy_model(shapes):
    """A module with zero parameters of the given names and shapes."""
    root = nn.Module()
    for name, shape in shapes.items():
        *path, last = name.split(".")
        module = root
        for part in path:
            if not hasattr(module, part):
                module.add_module(part, nn.Module())
            module = getattr(module, part)
        module.register_parameter(last, nn.Parameter(torch.zeros(shape)))
    return root


def assert_same(actual, expected):
    """Both have the same names, dtypes, shapes and bits."""
    assert actual.keys() == expected.keys()
    for name, tensor in expected.items():
        assert actual[name].dtype == tensor.dtype, name
        assert torch.equal(actual[name], tensor), name
