"""Files and folders that appear when they are complete."""

import os
import signal
import stat
import subprocess
import sys

import pytest

from detic.errors import InputError
from detic.files import (
    check_place,
    refuse_existing,
    remove_leftovers,
    unfinished_folder,
    unfinished_path,
    unfinished_text,
    write_bytes,
    write_json,
)


def test_file_appears_at_the_end_and_folders_are_made(tmp_path):
    path = tmp_path / "a" / "b.txt"
    with unfinished_text(path) as file:
        file.write("café\n")
        assert not path.exists()
    assert path.read_bytes() == "café\n".encode()


def test_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "b.txt"
    write_bytes(path, b"old")
    with pytest.raises(TypeError), unfinished_text(path) as file:
        file.write(b"no text")
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_bytes() == b"old"


def test_unfinished_file_keeps_the_suffix(tmp_path):
    # Encoders choose their format by it.
    with unfinished_path(tmp_path / "clip.mp4") as path:
        assert path.suffix == ".mp4"
        path.touch()


def test_what_json_does_not_know_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, {"a": [1, 2]})
    with pytest.raises(TypeError):
        write_json(path, {"a": object()})
    assert path.read_text() == '{"a":[1,2]}'


def test_folder_appears_with_its_files_at_the_end(tmp_path):
    folder = tmp_path / "world"
    with unfinished_folder(folder) as unfinished:
        (unfinished / "a.txt").touch()
        assert not folder.exists()
    assert [path.name for path in folder.iterdir()] == ["a.txt"]
    assert list(tmp_path.iterdir()) == [folder]


def test_failure_leaves_no_folder(tmp_path):
    with pytest.raises(FileNotFoundError), unfinished_folder(tmp_path / "world") as unfinished:
        (unfinished / "missing.txt").read_text()
    assert not list(tmp_path.iterdir())


def test_replaced_file_keeps_its_permissions(tmp_path):
    path = tmp_path / "private.json"
    path.write_text("old")
    path.chmod(0o600)
    with unfinished_path(path) as unfinished:
        assert stat.S_IMODE(unfinished.stat().st_mode) == 0o600
        unfinished.write_text("new")
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == ("new", 0o600)


def test_link_is_followed(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "link.json").symlink_to("there/target.json")
    for content in (["old"], ["new"]):
        write_json(tmp_path / "link.json", content)
        assert (tmp_path / "link.json").is_symlink()
        assert (tmp_path / "there" / "target.json").read_text() == f'["{content[0]}"]'


def test_device_is_written_to_and_stays_one():
    write_bytes("/dev/null", b"x")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


def test_pipe_is_written_to_if_somebody_reads(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(InputError, match=r"cannot write .*pipe: no such device"):
        write_bytes(pipe, b"nobody reads")
    file = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write_bytes(pipe, b"content")
    assert os.read(file, 99) == b"content"
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    os.close(file)


# What can stand in the way: the path below the folder of the test, and the reason
OBSTACLES = [
    ("folder", "is a directory|it is a folder"),
    ("file/a.json", "not a directory"),
    ("loop", "too many levels"),
    ("n" * 300, "file name too long"),
    ("a\0b", "null"),
]


@pytest.mark.parametrize(("name", "reason"), OBSTACLES)
def test_what_cannot_be_written_is_one_message(tmp_path, name, reason):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")
    before = sorted(tmp_path.iterdir())
    with pytest.raises(InputError, match=rf"cannot write .*({reason})"):
        write_bytes(f"{tmp_path}/{name}", b"x")
    if name != "folder":
        with pytest.raises(InputError, match=rf"cannot write .*({reason})"):
            check_place(f"{tmp_path}/{name}")
    assert sorted(tmp_path.iterdir()) == before


def test_full_disk_is_named_with_the_file(tmp_path):
    code = (
        "import resource, sys; from detic.files import write_bytes;"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000)); write_bytes(sys.argv[1], bytes(5000))"
    )
    path = tmp_path / "a.json"
    ended = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True)
    assert f"InputError: cannot write {path}: file too large" in ended.stderr
    assert not list(tmp_path.iterdir())


def test_errors_of_other_files_are_not_blamed_on_this_one(tmp_path):
    with pytest.raises(FileNotFoundError), unfinished_text(tmp_path / "a.json"):
        (tmp_path / "other").read_text()


def test_checking_leaves_nothing(tmp_path):
    check_place(tmp_path / "new" / "a.json")
    check_place(tmp_path, is_folder=True)
    assert not list(tmp_path.iterdir())


def test_bytes_of_file_names_become_escapes_that_json_reads(tmp_path):
    name = os.fsdecode(b"\xff.jpg")
    with unfinished_text(tmp_path / "a.json") as file:
        file.write(f'"{name}"')
    assert (tmp_path / "a.json").read_bytes() == b'"\\udcff.jpg"'


def test_what_a_killed_process_left_is_removed_by_the_next(tmp_path):
    code = (
        "import os, sys, signal; from detic.files import *;"
        "a = unfinished_path(sys.argv[1] + '/a.json'); a.__enter__().write_text('half');"
        "b = unfinished_folder(sys.argv[1] + '/b'); (b.__enter__() / 'c').touch();"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    ended = subprocess.run([sys.executable, "-c", code, tmp_path])
    assert ended.returncode == -signal.SIGKILL
    assert len(list(tmp_path.iterdir())) == 2
    (tmp_path / ".hidden.json").touch()
    write_bytes(tmp_path / "a.json", b"whole")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".hidden.json", "a.json"]


def test_what_a_killed_process_left_is_removed_although_nobody_asked_how_it_ended(tmp_path):
    sleeping = subprocess.Popen(["sleep", "60"])
    with unfinished_path(tmp_path / "a.json") as mine:
        name = mine.name.replace(f"-{os.getpid():x}-", f"-{sleeping.pid:x}-")
        mine.with_name(name).touch()
        remove_leftovers(tmp_path)
        assert mine.with_name(name).exists()
        sleeping.kill()
        os.waitid(os.P_PID, sleeping.pid, os.WEXITED | os.WNOWAIT)  # it stays a zombie
        remove_leftovers(tmp_path)
        assert [path.name for path in tmp_path.iterdir()] == [mine.name]
    sleeping.wait()


def test_what_another_process_is_writing_stays(tmp_path):
    # The parent of this process is alive, for one.
    with unfinished_path(tmp_path / "a.json") as mine:
        theirs = mine.with_name(mine.name.replace(f"-{os.getpid():x}-", f"-{os.getppid():x}-"))
        mine.rename(theirs)
        mine.touch()
        code = "import sys; from detic.files import write_bytes; write_bytes(sys.argv[1], b'x')"
        subprocess.run([sys.executable, "-c", code, tmp_path / "b.json"], check=True)
        assert theirs.exists()


def test_folders_with_results_are_kept(tmp_path):
    refuse_existing(tmp_path, overwrite=False)
    (tmp_path / "labels").mkdir()
    with pytest.raises(InputError, match="--overwrite replaces it"):
        refuse_existing(tmp_path, overwrite=False)
    refuse_existing(tmp_path, overwrite=True)


def test_what_is_there_is_not_replaced_unasked(tmp_path):
    (tmp_path / "a.json").touch()
    with pytest.raises(InputError, match=r"a\.json exists and is kept; --overwrite replaces it"):
        refuse_existing(tmp_path / "a.json", overwrite=False)
    refuse_existing(tmp_path / "a.json", overwrite=True)
    refuse_existing(tmp_path / "b.json", overwrite=False)
    refuse_existing("/dev/null", overwrite=False)  # holds nothing that could be lost
