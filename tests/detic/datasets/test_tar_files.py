"""Members of tar files, listed and read in place."""

import gzip
import io
import logging
import tarfile

import pytest

from detic.datasets.tar_files import (
    RecentlyUsed,
    TarReader,
    content_of_entry,
    tar_members,
)
from detic.errors import InputError


def write_tar(path, members, format=tarfile.GNU_FORMAT):
    """Write a tar file of names and contents, or of prepared TarInfo objects."""
    with tarfile.open(path, "w", format=format) as tar:
        for name, content in members:
            info = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def link(name, target, kind):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def entry_of(path, member):
    start = member.header_offset
    return TarReader().read(path, start, member.offset + member.size - start)


def test_members_are_found_where_they_are(tmp_path):
    path = write_tar(tmp_path / "a.tar", [("one.txt", b"1" * 600), ("two.txt", b"22")])
    members, end = tar_members(path)
    assert [(m.name, m.header_offset, m.offset, m.size) for m in members] == [
        ("one.txt", 0, 512, 600),
        ("two.txt", 512 + 1024, 2048, 2),
    ]
    assert end == 2048 + 512


@pytest.mark.parametrize("format", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names_come_with_headers_of_their_own(tmp_path, format):
    name = "n/" + "x" * 150 + ".JPEG"
    path = write_tar(tmp_path / "a.tar", [(name, b"content")], format)
    (member,), _ = tar_members(path)
    assert member.name == name
    assert member.offset > 512
    assert content_of_entry(entry_of(path, member)) == b"content"


def test_gzip_members_are_unpacked(tmp_path):
    path = write_tar(tmp_path / "a.tar", [("a.JPEG", gzip.compress(b"image"))])
    (member,), _ = tar_members(path)
    assert content_of_entry(entry_of(path, member)) == b"image"


def test_names_and_links_that_lead_out_are_left_out(tmp_path, caplog):
    unsafe = [
        ("/etc/passwd", b""),
        ("../up.jpg", b""),
        ("a/../../up.jpg", b""),
        ("..\\up.jpg", b""),
        (link("soft.jpg", "/etc/passwd", tarfile.SYMTYPE), b""),
        (link("hard.jpg", "good.jpg", tarfile.LNKTYPE), b""),
    ]
    path = write_tar(tmp_path / "a.tar", [*unsafe, ("a/..good.jpg", b"x")])
    with caplog.at_level(logging.WARNING):
        members, _ = tar_members(path)
    assert [m.name for m in members] == ["a/..good.jpg"]
    assert "left out 6 members" in caplog.text


@pytest.mark.parametrize("content", [b"no tar file" * 100, b""])
def test_other_files_are_refused(tmp_path, content):
    path = tmp_path / "a.tar"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.tar cannot be read as an uncompressed tar file"):
        tar_members(path)


def test_an_entry_that_is_no_file_is_refused(tmp_path):
    path = write_tar(tmp_path / "a.tar", [(link("a.jpg", "b.jpg", tarfile.SYMTYPE), b"")])
    with pytest.raises(OSError, match="does not point at a regular file"):
        content_of_entry(path.read_bytes()[:512])
    with pytest.raises(OSError, match="no tar header where the index says"):
        content_of_entry(b"garbage" * 100)


def test_reading_beyond_the_end_is_an_error(tmp_path):
    (tmp_path / "a").write_bytes(b"12345")
    reader = TarReader()
    assert reader.read(tmp_path / "a", 1, 3) == b"234"
    with pytest.raises(OSError, match="ends at byte 5, not 9"):
        reader.read(tmp_path / "a", 1, 8)


def test_only_the_things_used_last_are_kept():
    discarded = []
    recent = RecentlyUsed(2, str, discarded.append)
    first = recent.get(1)
    recent.get(2)
    assert recent.get(1) is first
    recent.get(3)
    assert discarded == ["2"]


def test_archive_cut_between_members_is_refused(tmp_path):
    path = write_tar(tmp_path / "a.tar", [("one.txt", b"1"), ("two.txt", b"2")])
    path.write_bytes(path.read_bytes()[:1024])  # the first member, as a whole
    with pytest.raises(InputError, match=r"a\.tar .*ends without the mark of its end: it was cut"):
        tar_members(path)


@pytest.mark.parametrize("size", [-512, -(2**40)])
def test_negative_sizes_come_to_an_end(tmp_path, size):
    # Sizes of 8 GB and more are written to the base 256, which has a sign.
    info = tarfile.TarInfo("one.txt")
    header = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    header[124:136] = size.to_bytes(12, "big", signed=True)
    header[148:156] = b"        "
    header[148:156] = b"%06o\0 " % sum(header)
    path = tmp_path / "a.tar"
    path.write_bytes(bytes(header) * 3 + bytes(1024))
    with pytest.raises(InputError, match=r"a\.tar cannot be read as an uncompressed tar file"):
        tar_members(path)
    with pytest.raises(OSError, match="negative size"):
        content_of_entry(bytes(header))


def test_what_a_gzip_member_becomes_is_limited(tmp_path, monkeypatch):
    monkeypatch.setattr("detic.datasets.tar_files.MAX_UNPACKED_BYTES", 1000)
    path = write_tar(tmp_path / "a.tar", [("a.JPEG", gzip.compress(bytes(1001)))])
    (member,), _ = tar_members(path)
    with pytest.raises(OSError, match="more than 1000 bytes"):
        content_of_entry(entry_of(path, member))
