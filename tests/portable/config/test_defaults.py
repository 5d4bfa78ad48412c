"""The default configuration has Detectron2's types."""

from detectron2.config import get_cfg


def test_options_that_are_tuples_upstream_are_tuples():
    cfg = get_cfg()
    for value in (
        cfg.DATASETS.TRAIN,
        cfg.DATASETS.TEST,
        cfg.INPUT.MIN_SIZE_TRAIN,
        cfg.SOLVER.STEPS,
        cfg.MODEL.RPN.BBOX_REG_WEIGHTS,
        cfg.MODEL.ROI_BOX_CASCADE_HEAD.IOUS,
        cfg.TEST.AUG.MIN_SIZES,
    ):
        assert isinstance(value, tuple)


def test_number_of_options():
    def count(node):
        return sum(count(value) if isinstance(value, dict) else 1 for value in node.values())

    assert count(get_cfg()) == 192


def test_configurations_share_nothing():
    get_cfg().MODEL.RPN.IN_FEATURES.append("res5")
    assert get_cfg().MODEL.RPN.IN_FEATURES == ["res4"]
