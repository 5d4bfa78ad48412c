"""Calls with explicit arguments, with a configuration, and with both."""

from detectron2.config import CfgNode, configurable

CFG = CfgNode({"WIDTH": 8, "DEPTH": 2})


class Head:
    @configurable
    def __init__(self, *, width, depth=1, note=""):
        self.values = (width, depth, note)

    @classmethod
    def from_config(cls, cfg, note=""):
        return {"width": cfg.WIDTH, "depth": cfg.DEPTH, "note": note}


class WideHead(Head):
    @configurable
    def __init__(self, *, extra, **kwargs):
        super().__init__(**kwargs)
        self.extra = extra

    @classmethod
    def from_config(cls, cfg):
        return {"extra": cfg.WIDTH + 1, **super().from_config(cfg)}


@configurable(from_config=lambda cfg: {"width": cfg.WIDTH})
def describe(width, depth=5):
    return width, depth


def test_explicit_arguments_pass_through():
    assert Head(width=3).values == (3, 1, "")


def test_configuration_by_position_and_by_name():
    assert Head(CFG).values == Head(cfg=CFG).values == (8, 2, "")


def test_further_arguments_go_to_from_config_or_override_it():
    assert Head(CFG, note="hi").values == (8, 2, "hi")
    assert Head(CFG, depth=9).values == (8, 9, "")


def test_subclass_uses_its_own_from_config():
    head = WideHead(CFG)
    assert (head.extra, head.values) == (9, (8, 2, ""))


def test_functions():
    assert describe(CFG) == (8, 5)
    assert describe(CFG, depth=1) == (8, 1)
    assert describe(3) == (3, 5)
    assert describe.from_config(CFG) == {"width": 8}
