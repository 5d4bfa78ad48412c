import pytest
import torch

from detic.checkpoint import conversion, load_weights, read_weights
from detic.errors import InputError
from detic_commands import convert as command

from .conftest import assert_same, distinct, toy_model

PROG = "detic convert"

SHAPES = {
    "backbone.bottom_up.layers.0.downsample.norm.weight": (8,),
    "backbone.bottom_up.layers.0.downsample.reduction.weight": (4, 8),
    "backbone.bottom_up.norm1.weight": (4,),
    "proposal_generator.centernet_head.scales.0.scale": (1,),
    "roi_heads.box_predictor.0.cls_score.zs_weight": (4, 6),
}


@pytest.fixture
def convert(tmp_path, monkeypatch):
    """A function that runs the tool on file names in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return lambda *argv: command.main(command.argument_parser(PROG).parse_args(argv))


def test_there_and_back_keeps_every_bit(convert):
    torch.save({"model": distinct(SHAPES), "iteration": 5}, "ours.pth")
    convert("ours.pth", "folder/theirs.pth", "--to", "mmdet")
    content = torch.load("folder/theirs.pth", weights_only=True)
    assert list(content) == ["state_dict"]
    assert "rpn_head.scales.0.scale" in content["state_dict"]
    convert("folder/theirs.pth", "back.pth", "--to", "detectron2")
    assert list(torch.load("back.pth", weights_only=True)) == ["model"]
    assert_same(read_weights("back.pth"), distinct(SHAPES))


def test_both_kinds_load_alike(convert):
    torch.save({"model": distinct(SHAPES)}, "ours.pth")
    convert("ours.pth", "theirs.pth", "--to", "mmdet")
    model = toy_model(SHAPES)
    load_weights(model, "theirs.pth")
    assert_same(model.state_dict(), distinct(SHAPES))


def test_what_the_other_side_builds_itself_is_dropped():
    extra = {"pixel_mean": (3,), "backbone.bottom_up.base.fc.bias": (9,), "text_encoder.x": (1,)}
    content = conversion.convert(distinct(SHAPES | extra), "mmdet")
    assert len(content["state_dict"]) == len(SHAPES)


@pytest.mark.parametrize("to", ["mmdet", "detectron2"])
def test_converted_file_is_not_converted_again(to):
    content = conversion.convert(distinct(SHAPES), "mmdet")["state_dict"]
    tensors = content if to == "mmdet" else distinct(SHAPES)
    with pytest.raises(InputError, match=f"has the names of {to} already"):
        conversion.convert(tensors, to)


def test_parts_without_counterpart_are_refused():
    with pytest.raises(
        InputError, match=r"no counterpart of roi_heads\.\S+\.cls_score\.weight; only"
    ):
        conversion.convert(
            distinct(SHAPES | {"roi_heads.box_predictor.0.cls_score.weight": (2, 2)}), "mmdet"
        )


def test_source_is_not_overwritten(convert):
    torch.save({"model": distinct(SHAPES)}, "ours.pth")
    with pytest.raises(InputError, match=r"SRC and DST are both"):
        convert("ours.pth", "./ours.pth", "--to", "mmdet")


def test_example_in_the_help_page_can_be_parsed():
    example = next(line for line in command.__doc__.splitlines() if "%(prog)s" in line)
    assert command.argument_parser(PROG).parse_args(example.split()[1:]).to == "mmdet"


def test_kinds_of_the_command_line_are_those_of_the_converters():
    assert set(command.KINDS) == conversion.CONVERTERS.keys()
