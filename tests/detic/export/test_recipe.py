"""What cannot be exported is refused before weights are fetched or read."""

import pytest

from detic.errors import InputError
from detic.export import command
from detic.export.recipe import check_recipe
from detic.paths import resource
from detic.recipes import load_recipe
from detic_commands.export import argument_parser

C4 = "Detic_OVCOCO_CLIP_R50_1x_max-size"
SWIN = "BoxSup-C2_LCOCO_CLIP_SwinB_896b32_4x"
EXPORTABLE = [
    "Detic_LI_CLIP_R5021k_640b64_4x_ft4x_max-size",
    "BoxSup-C2_LCOCO_CLIP_R18_640b32_4x",
    "BoxSup-C2_LCOCO_CLIP_CXT21k_640b32_4x",
    "BoxSup_ViLD_200e",
    C4,
    "shapes/DETR",
]


def recipe(name, *overrides):
    return load_recipe(resource(f"configs/{name}.yaml"), overrides)


@pytest.mark.parametrize("name", EXPORTABLE)
def test_these_can_be_exported_for_images_of_any_size(name):
    check_recipe(recipe(name), None)


def test_swin_transformers_need_a_size():
    check_recipe(recipe(SWIN), (896, 1184))
    with pytest.raises(InputError, match=r"for images of one size alone, .* --size 896 1184"):
        check_recipe(recipe(SWIN), None)


@pytest.mark.parametrize(
    ("name", "overrides", "message"),
    [
        ("BoxSup-DeformDETR_L_R50_4x", [], "closed vocabulary cannot be exported, .*CLIP"),
        (C4, ["MODEL.ROI_BOX_HEAD.USE_ZEROSHOT_CLS", "False"], "closed vocabulary"),
        (C4, ["MODEL.ROI_HEADS.NAME", "Res5ROIHeads"], "HEADS.NAME Res5ROIHeads cannot .* choose"),
        (C4, ["MODEL.PROPOSAL_GENERATOR.NAME", "RRPN"], "RRPN cannot .* choose CenterNet or RPN"),
        (C4, ["TEST.DETECTIONS_PER_IMAGE", "-1"], "PER_IMAGE is -1; .* needs a limit: set it to"),
    ],
)
def test_what_has_no_graph_is_refused_with_a_remedy(name, overrides, message):
    with pytest.raises(InputError, match=message):
        check_recipe(recipe(name, *overrides), None)


def test_the_command_refuses_before_it_looks_for_weights(tmp_path, monkeypatch):
    monkeypatch.setattr(command, "chosen_model", lambda args: pytest.fail("weights are fetched"))
    config = str(resource("configs/BoxSup-DeformDETR_L_R50_4x.yaml"))
    arguments = ["--config-file", config, "--format", "pt2", "--output", str(tmp_path / "m.pt2")]
    with pytest.raises(InputError, match="closed vocabulary"):
        command.run_export(argument_parser().parse_args(arguments))
    assert not list(tmp_path.iterdir())
