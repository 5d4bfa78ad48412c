"""Files of strangers, opened without harm, and files of ours, which appear when they are complete.

Reading refuses what is no regular file: a pipe would be waited for, a device may never end.

What is written is made beside its place, under a hidden name, and renamed at the end. After an
exception nothing is left, and what was there before stays as it was. A file that is replaced keeps its
permissions, a link its target. Missing parent folders are made, and what a killed process left in the
folder is removed.
"""

import errno
import json
import os
import re
import shutil
import socket
import stat
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import IO, BinaryIO
from uuid import uuid4

from detic.errors import InputError

# Of a device or a pipe: wait neither when it is opened nor, later, for the other end of a pipe
_AT_ONCE = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
MAX_STEM = 40  # characters of a name that its unfinished file repeats; names have 255 bytes
# Errors of the operating system that mean: this path, or this disk, cannot take what is written
_CANNOT_WRITE = {
    *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR, errno.EISDIR),
    *(errno.EEXIST, errno.ENOTEMPTY, errno.ELOOP, errno.ENAMETOOLONG, errno.EINVAL, errno.ENXIO),
    *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.ETXTBSY, errno.EBUSY),
}


def reason_of(error: OSError) -> str:
    """Return what the operating system says is wrong, e.g. "permission denied"."""
    reason = error.strerror or str(error) or type(error).__name__
    return reason[:1].lower() + reason[1:]


def open_to_read(path: str | os.PathLike) -> BinaryIO:
    """Return a regular file, open for reading bytes.

    Raises:
        FileNotFoundError: there is none; the caller knows where else it may be.
        InputError: it is a folder, a pipe or a device, or cannot be opened.
    """
    try:
        file = os.open(path, os.O_RDONLY | _AT_ONCE)
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:  # ValueError: a path with a zero character
        reason = reason_of(error) if isinstance(error, OSError) else str(error)
        raise InputError(f"{path} cannot be read: {reason}") from error
    kind = kind_of(os.fstat(file).st_mode)
    if kind != "file":
        os.close(file)
        raise InputError(f"{path} is a {kind}; expected a file")
    return os.fdopen(file, "rb")


def kind_of(mode: int) -> str:
    """Return what a path leads to: file, folder, pipe, device or socket."""
    tests = {
        "file": stat.S_ISREG,
        "folder": stat.S_ISDIR,
        "pipe": stat.S_ISFIFO,
        "socket": stat.S_ISSOCK,
    }
    return next((kind for kind, test in tests.items() if test(mode)), "device")


def is_file(path: str | os.PathLike) -> bool:
    """Return whether a path leads to a regular file; not if that cannot be found out."""
    return os.path.isfile(path)  # unlike Path.is_file, it never raises


@contextmanager
def writing(path: str | os.PathLike, *, as_file: Path | None = None) -> Iterator[None]:
    """Turn the errors of writing a file or folder into one message.

    Args:
        path: what the message names.
        as_file: the file that is written meanwhile; errors of other files are not this one's.

    Raises:
        InputError: the place, or the disk, cannot take it.
    """
    try:
        yield
    except OSError as error:
        is_of_another = as_file and error.filename not in (None, str(as_file))
        if error.errno not in _CANNOT_WRITE or is_of_another:
            raise
        raise InputError(f"cannot write {path}: {reason_of(error)}") from error
    except ValueError as error:
        if "null byte" not in str(error):
            raise
        raise InputError(f"cannot write {str(path)!r}: {error}") from error


@contextmanager
def unfinished_path(path: str | os.PathLike) -> Iterator[Path]:
    """Yield a temporary path with the suffix of ``path``; its file is renamed at the end.

    What is a device or a pipe is written to at the end.

    Raises:
        InputError: the file cannot be written.
    """
    with writing(path):
        place, mode = _place_of(path)
        folder = _folder_for(place, mode)
        unfinished = folder / _unfinished_name(place)
        unfinished.touch(mode=0o666 if mode is None else stat.S_IMODE(mode) | stat.S_IWUSR)
    try:
        with writing(path, as_file=unfinished):
            yield unfinished
        with writing(path):
            if mode is not None and not stat.S_ISREG(mode):
                _pour(unfinished, place)
            else:
                if mode is not None:
                    unfinished.chmod(stat.S_IMODE(mode))
                unfinished.replace(place)
    finally:
        unfinished.unlink(missing_ok=True)


def check_place(path: str | os.PathLike, *, is_folder: bool = False) -> None:
    """Check that a file, or a folder of files, can be made before what belongs into it is computed.

    Raises:
        InputError: something stands in its way, or the system does not let it.
    """
    with writing(path):
        kind = _kind_at(path)
        if kind in ("file", "folder") and (kind == "folder") != is_folder:
            raise InputError(f"{path} is a {kind}; name a {'folder' if is_folder else 'file'}")
        if kind in ("pipe", "device", "socket"):
            return
        place = Path(os.path.realpath(path))
        parents = (folder for folder in place.parents if _kind_at(folder))
        probe = (place if kind == "folder" else next(parents)) / _unfinished_name(Path("probe"))
        probe.touch()
        probe.unlink()


def refuse_existing(path: str | os.PathLike, overwrite: bool) -> None:
    """Check that nothing would be lost by writing to a file or a folder.

    Raises:
        InputError: there is something, and it may not be replaced.
    """
    path = Path(path)
    occupied = any(path.iterdir()) if path.is_dir() else is_file(path)
    if occupied and not overwrite:
        raise InputError(f"{path} exists and is kept; --overwrite replaces it")


def _kind_at(path: str | os.PathLike) -> str | None:
    """Return what a path leads to, None for nothing; a path that leads nowhere by its form raises."""
    try:
        return kind_of(os.stat(path).st_mode)
    except FileNotFoundError:
        return None


def _place_of(path: str | os.PathLike) -> tuple[Path, int | None]:
    """Return where a file goes, links followed, and the mode of what is there, None for nothing."""
    place = Path(os.path.realpath(path))
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        return place, None
    if kind_of(mode) in ("folder", "socket") or stat.S_ISBLK(mode):
        raise IsADirectoryError(errno.EISDIR, f"it is a {kind_of(mode)}")
    return place, mode


def _folder_for(place: Path, mode: int | None) -> Path:
    """Return the folder of an unfinished file, made and without what killed processes left there."""
    if mode is not None and not stat.S_ISREG(mode):
        return Path(tempfile.gettempdir())
    place.parent.mkdir(parents=True, exist_ok=True)
    _tidy_once(place.parent)
    return place.parent


def _pour(source: Path, target: Path) -> None:
    """Write a file's content into a device or a pipe; a pipe that nobody reads is an error."""
    file = os.open(target, os.O_WRONLY | _AT_ONCE)
    os.set_blocking(file, True)
    with source.open("rb") as content, os.fdopen(file, "wb") as sink:
        shutil.copyfileobj(content, sink)


@contextmanager
def unfinished_text(path: str | os.PathLike) -> Iterator[IO[str]]:
    """Yield an open UTF-8 text file that appears under ``path`` at the end.

    Bytes of file names that are no UTF-8 become escapes, ``\\udc80``, which JSON reads back.

    Raises:
        InputError: the file cannot be written.
    """
    with (
        unfinished_path(path) as unfinished,
        unfinished.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file,
    ):
        yield file


@contextmanager
def unfinished_folder(path: str | os.PathLike) -> Iterator[Path]:
    """Yield an empty folder of the name of ``path``, where no folder may be at the end.

    Raises:
        InputError: the folder cannot be made.
    """
    path = Path(path)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        _tidy_once(path.parent)
        scratch = path.parent / _unfinished_name(path)
        unfinished = scratch / path.name
        unfinished.mkdir(parents=True)
    try:
        yield unfinished
        with writing(path):
            unfinished.rename(path)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def make_folder(path: str | os.PathLike) -> None:
    """Make a folder with its parents, unless it is there.

    Raises:
        InputError: it cannot be made.
    """
    with writing(path):
        Path(path).mkdir(parents=True, exist_ok=True)


def write_bytes(path: str | os.PathLike, content: bytes) -> None:
    """Write a whole file."""
    with unfinished_path(path) as unfinished:
        unfinished.write_bytes(content)


def write_text(path: str | os.PathLike, content: str) -> None:
    """Write a whole UTF-8 text file."""
    write_bytes(path, content.encode(errors="backslashreplace"))


def write_json(path: str | os.PathLike, content: dict | list) -> None:
    """Write a JSON file without spaces."""
    # json.dump would encode piece by piece in Python, several times slower.
    write_text(path, json.dumps(content, separators=(",", ":")))


# ".results.8c0d3a11-7f2-9e107d9d372bb682.json": the machine and the process that write it
_UNFINISHED = re.compile(r"\..*\.([0-9a-f]{8})-([0-9a-f]+)-[0-9a-f]{16}(\.[^.]*)?", re.DOTALL)
_tidied: set[tuple[int, Path]] = set()  # by process and folder


def _unfinished_name(path: Path) -> str:
    suffix = path.suffix if len(path.suffix) <= MAX_STEM else ""
    return f".{path.stem[:MAX_STEM]}.{_machine()}-{os.getpid():x}-{uuid4().hex[:16]}{suffix}"


def is_unfinished(name: str) -> bool:
    """Return whether a file's name is one that it has while it is written."""
    return _UNFINISHED.fullmatch(name) is not None


@cache
def _machine() -> str:
    """Return what stands for the processes whose numbers can be asked for here."""
    try:
        space = os.readlink("/proc/self/ns/pid")  # containers may share the name of their machine
    except OSError:
        space = ""
    return f"{zlib.crc32(f'{socket.gethostname()} {space}'.encode()):08x}"


def _tidy_once(folder: Path) -> None:
    key = os.getpid(), folder
    if key not in _tidied:
        _tidied.add(key)
        remove_leftovers(folder)


def remove_leftovers(folder: Path) -> None:
    """Remove what processes of this machine that are no more left unfinished in a folder."""
    for entry in os.scandir(folder):
        match = _UNFINISHED.fullmatch(entry.name)
        if match is None or match[1] != _machine() or _is_alive(int(match[2], 16)):
            continue
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path, ignore_errors=True)
        else:
            Path(entry.path).unlink(missing_ok=True)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return not _is_zombie(process)


def _is_zombie(process: int) -> bool:
    """Return whether a process has ended, and nobody has asked how; only Linux tells."""
    try:
        status = Path(f"/proc/{process}/stat").read_bytes()
    except OSError:
        return False
    return status.rpartition(b")")[2].split()[:1] == [b"Z"]


def is_hidden(path: str) -> bool:
    """Return whether a path is that of a hidden file, whose name begins with a dot."""
    return path.rpartition("/")[2].startswith(".")


def fingerprint(path: str | os.PathLike) -> list[int]:
    """Return what changes when a file does: its size in bytes and its time in nanoseconds.

    Compare for equality: a file that was moved into another's place may be older than it.
    """
    status = os.stat(path)
    return [status.st_size, status.st_mtime_ns]
