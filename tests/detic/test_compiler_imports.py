import subprocess
import sys

import torch

from detic import compiler_imports
from detic.compiler_imports import compiler_put_off

# What `detic detect` does up to the detector; nothing of this needs a compiler, timm, ...
UP_TO_THE_DETECTOR = """
import sys
import detic.demo, detic.engine.run
unneeded = ["torch._dynamo", "timm", "open_clip", "tensorboard", "matplotlib", "pandas", "scipy"]
print([name for name in unneeded if name in sys.modules])
from detic.modeling.backbone.timm import TimmBackbone
TimmBackbone(base_name="resnet18")
print("timm" in sys.modules, "torch._dynamo" in sys.modules)
import torch
from timm.layers.typing import disable_compiler
from torchvision.ops.roi_align import is_compile_supported
assert disable_compiler(abs)(-1) == 1 and is_compile_supported("cpu") in (True, False)
print("torch._dynamo" in sys.modules, torch._dynamo.utils is sys.modules["torch._dynamo.utils"])
"""


def test_starting_loads_no_compiler_and_nothing_that_only_some_recipes_use():
    done = subprocess.run(
        [sys.executable, "-c", UP_TO_THE_DETECTOR], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == ["[]", "True False", "True True"]


def test_stand_ins_are_gone_afterwards(monkeypatch):
    for name in [n for n in sys.modules if n.startswith(compiler_imports.COMPILER)]:
        monkeypatch.delitem(sys.modules, name)
    disable = torch.compiler.disable
    with compiler_put_off():
        assert torch.compiler.disable is not disable
        assert compiler_imports.UTILITIES in sys.modules
    assert torch.compiler.disable is disable
    assert compiler_imports.UTILITIES not in sys.modules


def test_functions_are_disabled_when_they_are_called(monkeypatch):
    disabled = []

    def disable(function, *args, **options):
        disabled.append((function.__name__, args, options))
        return function

    monkeypatch.setattr(compiler_imports, "_disable", disable)

    @compiler_imports._disable_when_called(recursive=False)
    def double(x):
        return 2 * x

    assert not disabled
    assert [double(1), double(2)] == [2, 4]
    assert disabled == [("double", (), {"recursive": False})]
