"""Weight files of any container as tensors by name. No file can run code."""

import os
import pickle
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from detectron2.utils.file_io import PathManager
from torch import Tensor

from detic.downloads import fetch, sha256_of
from detic.errors import InputError, in_short
from detic.files import is_file, open_to_read, unfinished_path
from detic.paths import find_file, looked_for
from detic.weight_files.restricted_pickle import RefusedImport, load_restricted_pickle
from detic.weight_files.torch_archive import DamagedFile, check_torch_archive
from detic.weight_files.torch_globals import TORCH_GLOBALS
from detic.weight_files.torchscript import is_torchscript, read_torchscript

# Keys under which training programs keep the weights: detectron2 and most others, mmdetection and
# the MIIL backbones, Caffe2.
_WEIGHT_KEYS = ("model", "state_dict", "blobs")

DETECTRON2_MODELS = "detectron2://"
DETECTRON2_STORE = "https://dl.fbaipublicfiles.com/detectron2/"

_FETCH_AGAIN = "if its download was interrupted, delete the file and fetch it again"
MAX_GROWTH = 16  # from a file to its tensors
SMALL_BYTES = 2**31  # which fit any machine that runs a detector

_ZIP = b"PK\x03\x04"
_PICKLE = b"\x80"
# torch.save's format up to version 1.5 starts with this number, pickled.
_LEGACY_TORCH = pickle.dumps(0x1950A86A20F9469CFC6C, protocol=2)


def read_weights(path: str | os.PathLike) -> dict[str, Tensor]:
    """Return the tensors of a weight file by name, on the CPU and in the file's dtypes.

    The content decides how a file is read, not its name: torch's formats, TorchScript archives,
    safetensors, and pickles of arrays or tensors. What training programs store besides the weights
    is left out.

    Args:
        path: a local path or an address that detectron2 knows (http, https, detectron2).

    Raises:
        InputError: the file is missing, damaged, not a weight file, or would need to import code.
    """
    file = _local_file(os.fspath(path))
    try:
        content = _reader(file)(file)
    except DamagedFile as error:
        raise InputError(f"{error}; {_FETCH_AGAIN}") from error
    except InputError:
        raise
    except RefusedImport as error:
        raise InputError(_refusal(path, error.wanted)) from error
    except Exception as error:  # torch, safetensors and pickle each have exceptions of their own
        wanted = re.search(r"GLOBAL ([\w.]+)", str(error))
        if isinstance(error, pickle.UnpicklingError) and wanted:
            raise InputError(_refusal(path, wanted[1])) from error
        # What follows torch's first sentence is the advice to do without the protection.
        reason = in_short(re.split(r"\.\s", str(error).strip(), maxsplit=1)[0])
        reason = reason or type(error).__name__
        raise InputError(f"{path} cannot be read as weights ({reason}); {_FETCH_AGAIN}") from error
    tensors = _tensors(content, path)
    _check_sizes(tensors, file, path)
    return tensors


def write_checkpoint(path: str | os.PathLike, content: Mapping[str, Any]) -> None:
    """Write ``content`` by torch.save; the file appears under its name when it is complete.

    Raises:
        InputError: it cannot be written.
    """
    # torch hides what the system says of a file that it opens itself, and complains about its own
    # archive after the system has about the disk.
    with unfinished_path(path) as unfinished, unfinished.open("wb") as file:
        try:
            torch.save(dict(content), file)
        except RuntimeError as error:
            if isinstance(error.__context__, OSError):
                raise error.__context__ from None
            raise


def weights_sha256(path: str | os.PathLike) -> str:
    """Return the SHA-256 of a weight file, as hexadecimal digits; see :func:`read_weights`."""
    with _local_file(os.fspath(path)).open("rb") as file:
        return sha256_of(file)


def _local_file(path: str) -> Path:
    if not path:
        raise InputError("MODEL.WEIGHTS is empty; name the weights to load")
    file = _fetched(path) if "://" in path else find_file(path)
    if os.path.exists(file):
        return file
    message = (
        f"no weights at {path}; MODEL.WEIGHTS must name a local file or an address that starts with "
        f"http://, https:// or detectron2://; {looked_for(path)}"
    )
    twins = [p for p in (file.with_suffix(s) for s in (".pth", ".pkl", ".pt")) if is_file(p)]
    if twins:
        message += f". {twins[0]} exists and may be what you mean: files need no conversion"
    raise InputError(message)


def _fetched(address: str) -> Path:
    """Return the local copy of a file with an address; detectron2's PathManager may know more kinds."""
    if address.startswith(DETECTRON2_MODELS):
        address = DETECTRON2_STORE + address.removeprefix(DETECTRON2_MODELS)
    if address.startswith(("http://", "https://")):
        return fetch(address)
    try:
        return Path(PathManager.get_local_path(address))
    except Exception as error:  # of whatever handler the address has
        raise InputError(f"cannot fetch {address} ({error}); download it by other means") from error


def _reader(file: Path) -> Callable[[Path], Any]:
    """Return the function that reads a file with this beginning."""
    with open_to_read(file) as f:
        start = f.read(64)
    header_bytes = int.from_bytes(start[:8], "little")
    if start[8:9] == b"{" and header_bytes < file.stat().st_size:
        return _read_safetensors
    if start.startswith(_ZIP):
        check_torch_archive(file)
    if start.startswith((_ZIP, _LEGACY_TORCH)):
        return read_torchscript if is_torchscript(file) else _read_torch
    if start.startswith(_PICKLE):
        return _read_pickle
    raise InputError(
        f"{file} is not a weight file: it starts with {start[:24]!r}; expected what torch.save, "
        "safetensors or pickle writes (a web page or a git-lfs pointer instead of the weights is a "
        "common reason: fetch the file itself)"
    )


def _read_torch(file: Path) -> Any:
    # An open file, as torch chooses another reader for some names.
    with torch.serialization.safe_globals(TORCH_GLOBALS), file.open("rb") as f:
        return torch.load(f, map_location="cpu", weights_only=True)


def _read_pickle(file: Path) -> Any:
    with file.open("rb") as f:
        return load_restricted_pickle(f)


def _read_safetensors(file: Path) -> dict[str, Tensor]:
    from safetensors.torch import load_file

    return load_file(file)


def _refusal(path: str | os.PathLike, wanted: str) -> str:
    return (
        f"{path} is refused: reading it would import {in_short(wanted)}, and a file that imports can run code. "
        "Expected tensors, arrays and plain containers only. If you trust its origin, keep its weights "
        "alone where they were made: torch.save({'model': model.state_dict()}, 'weights.pth'), or, for "
        "mmdetection, tools/model_converters/publish_model.py"
    )


def _tensors(content: Any, path: str | os.PathLike) -> dict[str, Tensor]:
    """Return the tensors of what a training program saved, however it wrapped them."""
    weights = _unwrapped(content)
    entries = weights.items() if isinstance(weights, Mapping) else ()
    tensors = {
        name: value.detach() if isinstance(value, Tensor) else torch.tensor(value)
        for name, value in entries
        if isinstance(name, str) and (isinstance(value, Tensor) or _is_numeric(value))
    }
    if not tensors:
        raise InputError(
            f"{path} holds no tensors by name but {_describe(content)}; expected a state dict, or one "
            f"under a key {', '.join(_WEIGHT_KEYS)}"
        )
    unusual = [name for name, tensor in tensors.items() if not _is_plain(tensor)]
    if unusual:
        raise InputError(
            f"{path} holds {in_short(unusual[0])} as {_kind(tensors[unusual[0]])}; expected tensors with "
            "all their values, as they were trained"
        )
    return _without_prefix(tensors, "module.")  # of models wrapped for data-parallel training


def _is_plain(tensor: Tensor) -> bool:
    return tensor.layout == torch.strided and not tensor.is_meta and not tensor.is_quantized


def _kind(tensor: Tensor) -> str:
    if tensor.is_meta:
        return "a tensor without values"
    layout = "" if tensor.layout == torch.strided else f" in {tensor.layout}"
    return f"a tensor of {tensor.dtype}{layout}"


def _check_sizes(tensors: Mapping[str, Tensor], file: Path, path: str | os.PathLike) -> None:
    """Refuse tensors that repeat a few bytes of a file until they fill the memory."""
    num_bytes = sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
    if num_bytes > MAX_GROWTH * file.stat().st_size + SMALL_BYTES:
        raise InputError(
            f"{path} has {file.stat().st_size} bytes, its tensors {num_bytes}; no weight file grows "
            f"more than {MAX_GROWTH} times"
        )


def _unwrapped(content: Any) -> Any:
    """Return the innermost dictionary under the keys of weights; none may contain itself."""
    weights, passed = content, set()
    while isinstance(weights, Mapping) and id(weights) not in passed:
        passed.add(id(weights))
        inner = [weights[k] for k in _WEIGHT_KEYS if isinstance(weights.get(k), Mapping)]
        weights = inner[0] if inner else weights
    return weights


def _is_numeric(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind in "biuf"


def _without_prefix(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    if all(name.startswith(prefix) for name in tensors):
        return {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}
    return tensors


def _describe(content: Any) -> str:
    if isinstance(content, Mapping):
        return f"a dictionary of {', '.join(map(str, list(content)[:5])) or 'nothing'}"
    return f"a {type(content).__name__}"
