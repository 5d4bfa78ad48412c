import io
import sys
import tarfile
from contextlib import nullcontext
from types import SimpleNamespace

import pytest

from detic.errors import InputError
from detic.labelling.inputs import InputOptions, plan_shards
from detic.labelling.shards import Failure, Shard, UnreadableShard


@pytest.fixture
def shards_of(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def shards_of(*arguments, size=4, column=None):
        return list(plan_shards(arguments, tmp_path / "lists", InputOptions(size, column)))

    return shards_of


def names_in(shards):
    return [[image.name for image in shard.read()] for shard in shards]


def write_tar(path, members, mode="w"):
    with tarfile.open(path, mode) as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))


def test_lists_are_cut_by_their_lines(shards_of, tmp_path):
    lines = ["a b.jpg", "", "  c.jpg ", "http://x.org/d.jpg?size=2", "e.jpg", "f"]
    (tmp_path / "list.txt").write_text("\n".join(lines))
    shards = shards_of("list.txt", size=2)
    assert [shard.num_images for shard in shards] == [2, 2, 1]
    assert names_in(shards) == [["a b.jpg", "c.jpg"], ["http://x.org/d.jpg?size=2", "e.jpg"], ["f"]]


def test_lists_that_change_are_refused(shards_of, tmp_path):
    (tmp_path / "list.txt").write_text("a.jpg\n")
    (shard,) = shards_of("list.txt")
    (tmp_path / "list.txt").write_text("longer.jpg\n")
    with pytest.raises(InputError, match=r"list\.txt has changed since the job was planned"):
        shard.read()


def test_standard_input_is_kept(shards_of, monkeypatch):
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"a.jpg\nb\xff.jpg\n")))
    assert names_in(shards_of("-")) == [["a.jpg", "b\udcff.jpg"]]


def test_folders_are_looked_into_in_order(shards_of, write_image):
    for name in ("photos/b.jpg", "photos/a/z.png", "photos/c.JPG", "photos/.hidden/d.jpg"):
        write_image(name.replace("JPG", "jpg"))
    shards = shards_of("photos", size=2)
    assert names_in(shards) == [["photos/a/z.png", "photos/b.jpg"], ["photos/c.jpg"]]
    assert names_in(shards_of("photos/*.jpg")) == [["photos/b.jpg", "photos/c.jpg"]]


def test_folders_with_two_names_are_looked_into_once(shards_of, write_image, tmp_path):
    write_image("photos/a/1.png")
    (tmp_path / "photos" / "a" / "loop").symlink_to(tmp_path / "photos")
    (tmp_path / "photos" / "b").symlink_to("a")
    assert names_in(shards_of("photos")) == [["photos/a/1.png"]]


def test_links_to_themselves_are_no_folders(shards_of, write_image, tmp_path):
    write_image("folder/a.jpg")
    (tmp_path / "folder" / "loop").symlink_to("loop")
    assert names_in(shards_of("folder")) == [["folder/a.jpg"]]


def test_a_mark_of_byte_order_is_no_part_of_a_name(shards_of, tmp_path):
    (tmp_path / "list.txt").write_text("a.jpg\nb.jpg\n", encoding="utf-8-sig")
    assert names_in(shards_of("list.txt", size=1)) == [["a.jpg"], ["b.jpg"]]


def test_names_that_a_list_cannot_hold_are_left_out(shards_of, write_image, caplog):
    for name in ("photos/a\nb/1.png", "photos/2.png", "photos/3\n.png"):
        write_image(name)
    assert names_in(shards_of("photos")) == [["photos/2.png"]]
    assert [r"a\nb/1.png" in text for text in caplog.messages] == [False, True]


def test_inputs_without_images_are_named(shards_of, write_image, tmp_path, caplog):
    (tmp_path / "empty").mkdir()
    write_image("a.png")
    assert names_in(shards_of("empty", "a.png", "*.jpg")) == [["a.png"]]
    assert caplog.messages == ["there are no images in empty", "there are no images in *.jpg"]


def test_images_before_and_after_a_list_keep_their_order(shards_of, write_image, tmp_path):
    (tmp_path / "list.txt").write_text("b.jpg\n")
    write_image("a.jpg"), write_image("c.jpg")
    assert names_in(shards_of("a.jpg", "list.txt", "c.jpg")) == [["a.jpg"], ["b.jpg"], ["c.jpg"]]


def test_a_tar_file_is_one_shard(shards_of, write_image, tmp_path):
    content = write_image("a.png").read_bytes()
    for number in (8, 9):
        write_tar(tmp_path / f"s-{number:02d}.tar", {"x/1.png": content, "x/1.json": b"{}"})
    shards = shards_of("s-{08..09}.tar")
    assert names_in(shards) == [["s-08.tar/x/1.png"], ["s-09.tar/x/1.png"]]
    assert next(shards[0].read()).read().shape == (40, 60, 3)


def test_a_tar_file_that_is_cut_short_yields_what_is_whole(shards_of, tmp_path):
    write_tar(tmp_path / "s.tar.gz", {"1.png": b"1" * 5000, "2.png": b"2"}, "w:gz")
    whole = (tmp_path / "s.tar.gz").read_bytes()
    write_tar(tmp_path / "s.tar", {"1.png": b"1" * 600, "2.png": b"2" * 600})
    (tmp_path / "s.tar").write_bytes((tmp_path / "s.tar").read_bytes()[:2100])
    assert names_in(shards_of("s.tar.gz")) == [["s.tar.gz/1.png", "s.tar.gz/2.png"]]
    first, failure = shards_of("s.tar")[0].read()
    assert first.content == b"1" * 600
    assert isinstance(failure, Failure)
    assert "damaged or cut short" in failure.reason
    (tmp_path / "s.tar.gz").write_bytes(whole[: len(whole) // 2])
    assert isinstance(list(shards_of("s.tar.gz")[0].read())[-1], Failure)


def test_a_tar_file_without_images_is_a_failure(shards_of, tmp_path):
    write_tar(tmp_path / "s.tar", {"1.json": b"{}"})
    (failure,) = shards_of("s.tar")[0].read()
    assert failure == Failure("s.tar", "the tar file holds no images")


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("s3://bucket/s.tar", TimeoutError("no answer")),
        ("s3://bucket/s.tar", ConnectionResetError(104, "reset by peer")),
        ("s.tar", OSError(5, "input/output error")),
    ],
)
def test_a_tar_file_that_cannot_be_read_now_is_not_damaged(tmp_path, monkeypatch, path, error):
    write_tar(tmp_path / "s.tar", {"1.png": b"1" * 600, "2.png": b"2" * 20_000})
    content = io.BytesIO((tmp_path / "s.tar").read_bytes())

    class Connection:
        def read(self, count):
            if content.tell() > 10_000:
                raise error
            return content.read(count)

    monkeypatch.setattr("detic.labelling.shards.opened", lambda path: nullcontext(Connection()))
    images = Shard("tar", path).read()
    assert next(images).content == b"1" * 600
    with pytest.raises(UnreadableShard, match=r"cannot read .*s\.tar .*(answer|reset|input)"):
        list(images)


def test_an_address_that_does_not_answer_is_an_unreadable_shard():
    pytest.importorskip("fsspec")
    with pytest.raises(UnreadableShard, match=r"cannot open memory://nowhere\.tar"):
        list(Shard("tar", "memory://nowhere.tar").read())


def test_files_at_addresses_are_found_by_fsspec(shards_of, write_image, tmp_path):
    pytest.importorskip("fsspec")
    for name in ("r/b.jpg", "r/a.jpg", "r/c.txt"):
        write_image(name, format="png")
    (tmp_path / "r" / "c.txt").write_text("x.jpg\n")
    root = f"file://{tmp_path}/r"
    images = [f"{root}/a.jpg", f"{root}/b.jpg"]
    assert names_in(shards_of(root)) == [images]
    shards = shards_of(f"{root}/*")
    assert names_in(shards) == [images, ["x.jpg"]]
    assert next(shards[0].read()).read().shape == (40, 60, 3)


def test_rows_of_parquet_files_are_images(shards_of, tmp_path, write_image):
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    content = write_image("a.png").read_bytes()
    rows = [content, None, content, content, content]
    parquet.write_table(pa.table({"id": range(5), "jpg": rows}), tmp_path / "t.parquet", 3)
    shards = shards_of("t.parquet", size=2)
    assert [(shard.start, shard.stop) for shard in shards] == [(0, 2), (2, 3), (3, 5)]
    assert names_in(shards) == [
        ["t.parquet#0", "t.parquet#1"],
        ["t.parquet#2"],
        ["t.parquet#3", "t.parquet#4"],
    ]
    first, second = shards[0].read()
    assert first.read().shape == (40, 60, 3)
    assert second.reason == "the row holds no image"
    with pytest.raises(InputError, match=r"no column url.*--image-column: id, jpg"):
        shards_of("t.parquet", column="url")


def test_what_is_not_there_is_named(shards_of):
    with pytest.raises(InputError, match=r"there is no file or folder nowhere\.tar"):
        shards_of("nowhere.tar")
    with pytest.raises(InputError, match=r"the range begins after its end; write \{1\.\.3\}"):
        shards_of("x-{3..1}.tar")
