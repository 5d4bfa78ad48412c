import argparse
import functools
import os
import pickle
import threading
from http.server import HTTPServer, SimpleHTTPRequestHandler

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from detic.errors import InputError
from detic.weight_files import read_weights, write_checkpoint
from tests.detic.checkpoint.conftest import assert_same

TENSORS = {
    "a.weight": torch.tensor([[1.5, -0.0], [float("inf"), 1e-30]]),
    "a.half": torch.tensor([0.1, 2.0]).half(),
    "a.count": torch.tensor(7),
    "a.empty": torch.zeros(0, 3),
}
ARRAYS = {name: tensor.numpy() for name, tensor in TENSORS.items()}


def save_legacy(content, path):
    torch.save(content, path, _use_new_zipfile_serialization=False)


def save_pickle(protocol):
    return lambda content, path: path.write_bytes(pickle.dumps(content, protocol=protocol))


WRITERS = {  # case -> (writer(content, path), content)
    "torch": (torch.save, TENSORS),
    "torch before 1.6": (save_legacy, TENSORS),
    "safetensors": (save_file, TENSORS),
    "pickled tensors": (save_pickle(2), TENSORS),
    "pickled arrays, protocol 2": (save_pickle(2), ARRAYS),
    "pickled arrays, protocol 5": (save_pickle(5), ARRAYS),
}


@pytest.mark.parametrize("case", WRITERS)
def test_format_is_told_by_the_content_and_every_bit_kept(case, tmp_path):
    writer, content = WRITERS[case]
    writer(content, tmp_path / "weights.misnamed")
    assert_same(read_weights(tmp_path / "weights.misnamed"), TENSORS)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda t: {
            "model": t,
            "iteration": 5,
            "optimizer": {"state": {}},
        },  # detectron2, the engine
        lambda t: {"state_dict": t, "meta": {"epoch": 1}},  # mmdetection
        lambda t: {"model": {"state_dict": t}, "matching_heuristics": True},  # converted MIIL file
        lambda t: {"blobs": t, "cfg": "text"},  # Caffe2
        lambda t: {f"module.{name}": tensor for name, tensor in t.items()},  # data-parallel
        lambda t: {name: torch.nn.Parameter(tensor, False) for name, tensor in t.items()},
    ],
)
def test_wrappers_are_taken_off(wrap, tmp_path):
    torch.save(wrap(TENSORS), tmp_path / "weights.pth")
    assert_same(read_weights(tmp_path / "weights.pth"), TENSORS)


def test_reads_what_python_2_pickled(tmp_path):
    file = (
        b"\x80\x02}U\x01wcnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
        b"(K\x01K\x02\x85cnumpy\ndtype\nU\x02f4K\x00K\x01\x87R(K\x03U\x01<NNNJ\xff\xff\xff\xff"
        b"J\xff\xff\xff\xffK\x00tb\x89U\x08" + np.float32([1.5, -2]).tobytes() + b"tbs."
    )
    (tmp_path / "R-50.pkl").write_bytes(file)
    assert_same(read_weights(tmp_path / "R-50.pkl"), {"w": torch.tensor([1.5, -2])})


class Payload:
    """Makes a folder when it is unpickled without care."""

    def __init__(self, folder):
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (str(self.folder),)


class Nested:
    """Hides a payload in what claims to be the memory of a tensor."""

    def __init__(self, payload):
        self.payload = payload

    def __reduce__(self):
        return torch.storage._load_from_bytes, (pickle.dumps(self.payload, protocol=2),)


@pytest.mark.parametrize(
    "writer", [torch.save, save_legacy, save_pickle(2), save_pickle(5)], ids=lambda w: w.__name__
)
def test_malicious_file_executes_nothing(writer, tmp_path):
    path, trap = tmp_path / "weights.pth", tmp_path / "executed"
    writer({"model": TENSORS, "x": Payload(trap)}, path)
    with pytest.raises(InputError, match=r"refused: reading it would import \w+\.mkdir"):
        read_weights(path)
    assert not trap.exists()


def test_payload_inside_a_tensor_executes_nothing(tmp_path):
    path, trap = tmp_path / "weights.pkl", tmp_path / "executed"
    save_pickle(2)({"a": Nested(Payload(trap))}, path)
    with pytest.raises(InputError):
        read_weights(path)
    assert not trap.exists()


@pytest.mark.parametrize("writer", [torch.save, save_pickle(2)])
def test_refusal_names_the_import_and_a_way_out(writer, tmp_path):
    writer({"model": TENSORS, "args": argparse.Namespace(lr=1)}, tmp_path / "weights.pth")
    with pytest.raises(InputError, match=r"argparse\.Namespace.*torch\.save.*publish_model"):
        read_weights(tmp_path / "weights.pth")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"<!DOCTYPE html><html></html>", "not a weight file: it starts with b'<!DOCTYPE"),
        (b"version https://git-lfs.github.com/spec/v1", "git-lfs pointer"),
        (
            b'{"size":{"a": 1}}',
            "not a weight file",
        ),  # json, like a safetensors header to the ninth byte
        (b"", "not a weight file"),
        (b"PK\x03\x04 and no more", "interrupted"),
        (pickle.dumps({"a": 1})[:-4], "interrupted"),
        (pickle.dumps({"epoch": 3}), "no tensors by name but a dictionary of epoch"),
        (pickle.dumps([1, 2]), "no tensors by name but a list"),
    ],
)
def test_other_files_are_explained(content, message, tmp_path):
    (tmp_path / "weights.pth").write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_weights(tmp_path / "weights.pth")


def test_a_file_that_contains_itself_is_read_to_its_end(tmp_path):
    content = {"epoch": 3}
    content["model"] = {"state_dict": content}
    save_pickle(2)(content, tmp_path / "weights.pkl")
    with pytest.raises(InputError, match="no tensors by name but a dictionary of epoch, model"):
        read_weights(tmp_path / "weights.pkl")


def test_truncated_checkpoint_is_explained(tmp_path):
    path = tmp_path / "weights.pth"
    torch.save(TENSORS, path)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(InputError, match=r"weights\.pth is damaged: .*; if its download"):
        read_weights(path)


def test_missing_file_is_explained(tmp_path):
    with pytest.raises(InputError, match=r"no weights at models/x\.pkl; MODEL\.WEIGHTS must name"):
        read_weights("models/x.pkl")
    torch.save(TENSORS, tmp_path / "x.pth")
    with pytest.raises(InputError, match=r"x\.pth exists"):
        read_weights(tmp_path / "x.pkl")
    with pytest.raises(InputError, match=r"MODEL\.WEIGHTS is empty"):
        read_weights("")


def test_address_is_downloaded_once(tmp_path, monkeypatch):
    monkeypatch.setenv("DETIC_CACHE", str(tmp_path / "cache"))
    torch.save(TENSORS, tmp_path / "weights.pth")
    handler = functools.partial(SimpleHTTPRequestHandler, directory=tmp_path)
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/weights.pth"
        assert_same(read_weights(address), TENSORS)
        server.shutdown()
    assert_same(read_weights(address), TENSORS)


def test_failed_download_is_explained(tmp_path, monkeypatch):
    monkeypatch.setenv("DETIC_CACHE", str(tmp_path))
    with pytest.raises(InputError, match=r"cannot fetch http://127\.0\.0\.1:9/x\.pth"):
        read_weights("http://127.0.0.1:9/x.pth")


def test_written_checkpoint_is_read_back_and_leaves_no_other_file(tmp_path):
    write_checkpoint(tmp_path / "folder" / "weights.pth", {"model": TENSORS})
    assert_same(read_weights(tmp_path / "folder" / "weights.pth"), TENSORS)
    assert [p.name for p in (tmp_path / "folder").iterdir()] == ["weights.pth"]


def test_numbers_beside_the_weights_are_accepted(tmp_path):
    content = {"model": {"w": torch.ones(2)}, "best": np.float64(3), "step": np.int64(7)}
    torch.save(content, tmp_path / "w.pth")
    assert_same(read_weights(tmp_path / "w.pth"), {"w": torch.ones(2)})


@pytest.mark.parametrize("times", [2**20, 2**30])
def test_a_few_bytes_do_not_fill_the_memory(tmp_path, times):
    torch.save({"a": torch.ones(1024).expand(times, 1024)}, tmp_path / "x.pth")
    with pytest.raises(InputError, match=r"x\.pth has \d+ bytes, its tensors \d+; no weight file"):
        read_weights(tmp_path / "x.pth")


def test_pickles_take_no_more_memory_than_they_have_bytes(tmp_path):
    # The instruction r: remember what was made last as number 4294967295
    (tmp_path / "x.pkl").write_bytes(b"\x80\x02}r\xff\xff\xff\xffX\x01\x00\x00\x00aK\x01s.")
    with pytest.raises(InputError, match="holds no tensors by name"):
        read_weights(tmp_path / "x.pkl")
    array = b"\x80\x02cnumpy\nndarray\nJ\xff\xff\xff\x7f\x85R."  # numpy.ndarray(2147483647)
    (tmp_path / "y.pkl").write_bytes(array)
    with pytest.raises(InputError, match="make an array of nothing"):
        read_weights(tmp_path / "y.pkl")


def test_flipped_bytes_are_noticed(tmp_path):
    path = tmp_path / "weights.pth"
    torch.save({"a": torch.arange(20000.0)}, path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"weights\.pth is damaged: its part .*data/0"):
        read_weights(path)


@pytest.mark.parametrize(
    ("tensor", "kind"),
    [
        (torch.eye(2).to_sparse(), r"torch.float32 in torch.sparse_coo"),
        (torch.ones(2, device="meta"), "a tensor without values"),
    ],
)
def test_tensors_that_no_model_takes_are_named(tmp_path, tensor, kind):
    torch.save({"a.weight": torch.ones(2), "b.weight": tensor}, tmp_path / "w.pth")
    with pytest.raises(InputError, match=f"holds b.weight as .*{kind}"):
        read_weights(tmp_path / "w.pth")


def test_a_name_of_another_format_does_not_matter(tmp_path):
    write_checkpoint(tmp_path / "w.safetensors", {"model": {"a": torch.ones(2)}})
    assert read_weights(tmp_path / "w.safetensors")["a"].tolist() == [1, 1]


def test_what_is_no_address_is_said():
    with pytest.raises(InputError, match=r"http://\[::bad/x.pth is no address"):
        read_weights("http://[::bad/x.pth")
