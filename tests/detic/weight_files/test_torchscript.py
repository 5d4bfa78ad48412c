"""Tensors of TorchScript archives, whose code stays where it is."""

import os
import pickle
import zipfile

import pytest
import torch
from torch import Tensor, nn

from detic.errors import InputError
from detic.weight_files import read_weights
from detic.weight_files.torchscript import is_torchscript
from tests.detic.checkpoint.conftest import assert_same

pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit.*")


class Block(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.linear = nn.Linear(width, 3).half()
        self.register_buffer("count", torch.tensor(7))
        self.register_buffer("forgotten", torch.ones(2), persistent=False)
        self.mask = torch.ones(2, 2)  # neither a parameter nor a buffer
        self.sizes = [1, 2, 3]
        self.names = {"a": 1.5}


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.blocks = nn.ModuleList([Block(2), Block(4)])
        self.again = self.blocks[0]
        self.part = nn.Parameter(torch.arange(6.0).reshape(2, 3).t())  # not contiguous
        self.register_buffer("empty", torch.zeros(0, 3))

    def forward(self, x: Tensor) -> Tensor:
        return self.part @ x


class Trap(nn.Module):
    """A module that makes a file of ten bytes when it is loaded."""

    def __init__(self, path: str):
        super().__init__()
        self.path = path
        self.weight = nn.Parameter(torch.ones(2))

    @torch.jit.export
    def __getstate__(self):
        return self.path, self.weight, self.training

    @torch.jit.export
    def __setstate__(self, state: tuple[str, Tensor, bool]):
        self.path = state[0]
        self.weight = state[1]
        self.training = state[2]
        self.weight = state[1] + torch.from_file(self.path, True, 10, dtype=torch.uint8)[0]


@pytest.fixture
def archive(tmp_path):
    torch.jit.script(Model()).save(str(tmp_path / "model.pt"))
    return tmp_path / "model.pt"


def test_tensors_are_those_of_the_state_dict(archive):
    assert is_torchscript(archive)
    assert_same(read_weights(archive), torch.jit.load(str(archive)).state_dict())


def test_traced_modules_are_read_as_well(tmp_path):
    torch.jit.trace(Model(), torch.ones(2, 1)).save(str(tmp_path / "model.pt"))
    expected = torch.jit.load(str(tmp_path / "model.pt")).state_dict()
    assert_same(read_weights(tmp_path / "model.pt"), expected)


def test_code_of_the_archive_does_not_run(tmp_path):
    path, trap = tmp_path / "trap.pt", tmp_path / "executed"
    torch.jit.script(Trap(str(trap))).save(str(path))
    with pytest.raises(InputError, match=r"refused: reading it would import .*Trap\.__setstate__"):
        read_weights(path)
    assert not trap.exists()
    torch.jit.load(str(path))
    assert trap.stat().st_size == 10


class Call:
    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


def with_pickle(archive, content):
    """Replace the modules of an archive by another pickle."""
    other = archive.with_name("other.pt")
    with zipfile.ZipFile(archive) as source, zipfile.ZipFile(other, "w") as target:
        for name in source.namelist():
            is_modules = name.endswith("/data.pkl")
            target.writestr(name, content if is_modules else source.read(name))
    return other


def test_imports_are_refused(archive, tmp_path):
    trap = tmp_path / "executed"
    other = with_pickle(archive, pickle.dumps(Call(os.mkdir, str(trap)), protocol=2))
    with pytest.raises(InputError, match=r"refused: reading it would import \w+\.mkdir"):
        read_weights(other)
    assert not trap.exists()


def test_a_module_inside_itself_is_refused(archive):
    content = b"\x80\x02c__torch__\nModel\n)\x81q\x00}X\x01\x00\x00\x00aq\x01h\x00sb."
    with pytest.raises(InputError, match="one inside itself"):
        read_weights(with_pickle(archive, content))


def test_tensors_that_leave_their_memory_are_refused(archive):
    storage = b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x02tQ"
    tensor = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + b"K\x00(M\xff\xfft(K\x01tI00\n}tR"
    with pytest.raises(InputError, match="cannot be read as weights"):
        read_weights(with_pickle(archive, b"\x80\x02" + tensor + b"."))
