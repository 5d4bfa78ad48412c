"""Documents are read as a whole, or refused in one message that names the file."""

import os

import pytest

from detic.documents import parse_yaml, read_json, read_rows, read_text
from detic.errors import InputError, shown

DEEP = 100_000


def write(folder, name: str, content: bytes):
    path = folder / name
    path.write_bytes(content)
    return path


def rows_of(path) -> list[list[str]]:
    return [row for _, row in read_rows(path)]


def yaml_of(path):
    return parse_yaml(read_text(path), path)


READERS = (read_text, read_json, rows_of, yaml_of)


@pytest.mark.parametrize("reader", READERS)
class TestPlaces:
    """What is at the path."""

    def test_missing(self, reader, tmp_path):
        with pytest.raises(InputError, match=r"gone\.txt not found"):
            reader(tmp_path / "gone.txt")

    def test_folder(self, reader, tmp_path):
        with pytest.raises(InputError, match="is a folder; expected a file"):
            reader(tmp_path)

    def test_pipe_is_not_waited_for(self, reader, tmp_path):
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(InputError, match="pipe is a pipe; expected a file"):
            reader(tmp_path / "pipe")

    def test_device_without_end(self, reader):
        with pytest.raises(InputError, match="is a device; expected a file"):
            reader("/dev/zero")

    def test_link_to_itself(self, reader, tmp_path):
        (tmp_path / "loop").symlink_to("loop")
        with pytest.raises(InputError, match="loop cannot be read: too many levels"):
            reader(tmp_path / "loop")

    def test_name_with_zero_character(self, reader):
        with pytest.raises(InputError, match="null"):
            reader("a\0b")

    @pytest.mark.skipif(os.access("/", os.W_OK), reason="the administrator may read everything")
    def test_no_permission(self, reader, tmp_path):
        path = write(tmp_path, "locked", b"[]")
        path.chmod(0)
        with pytest.raises(InputError, match="locked cannot be read: permission denied"):
            reader(path)

    def test_other_encoding(self, reader, tmp_path):
        with pytest.raises(InputError, match=r"latin\.txt.* UTF-8"):
            reader(write(tmp_path, "latin.txt", "müsli".encode("latin-1")))


def test_byte_order_mark_is_no_damage(tmp_path):
    assert read_json(write(tmp_path, "a.json", b"\xef\xbb\xbf[1]")) == [1]
    assert read_text(write(tmp_path, "a.txt", b"\xef\xbb\xbfcat")) == "cat"
    assert rows_of(write(tmp_path, "a.csv", b"\xef\xbb\xbfcat")) == [["cat"]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not valid JSON"),
        (b'{"a": ', "not valid JSON"),
        (b"[" * DEEP, "nests too deeply"),
        (b'{"a":' * DEEP, "nests too deeply"),
        (b"[" + b"9" * 5000 + b"]", "not valid JSON"),  # Python converts no such number
        (b"\x00\x01", "not valid JSON"),
    ],
)
def test_json_that_cannot_be_built(tmp_path, content, message):
    with pytest.raises(InputError, match=rf"a\.json .*{message}"):
        read_json(write(tmp_path, "a.json", content))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[" * 5000, "nests too deeply|not valid YAML"),
        ("- !!float xyz", "not valid YAML"),
        ("- " + "9" * 5000, "not valid YAML"),
        ("- 2026-99-99", "not valid YAML"),  # looks like a date
        ("- !!timestamp soon", "not valid YAML"),
        ("- !!python/object/apply:os.system ['touch ran']", "not valid YAML"),
        ("? [1]\n: 2", "not valid YAML"),  # a list as a key
        ("&a [*a", "not valid YAML"),
        ("- \x00", "not valid YAML"),
    ],
)
def test_yaml_that_cannot_be_built(tmp_path, monkeypatch, content, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=rf"(?s)a\.yaml .*({message})"):
        parse_yaml(content, "a.yaml")
    assert not (tmp_path / "ran").exists()


def test_merge_keys_do_not_multiply():
    fields = ", ".join(f"k{i}: {i}" for i in range(9))
    levels = [f"a0: &a0 {{{fields}}}"] + [
        f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}" for n in range(1, 12)
    ]
    assert len(parse_yaml("\n".join(levels), "a.yaml")["a11"]) == 9


def test_rows_have_their_lines_and_damage_is_placed(tmp_path):
    path = write(tmp_path, "a.csv", b'path,labels\n\n"a\nb",cup\n')
    assert list(read_rows(path)) == [(1, ["path", "labels"]), (4, ["a\nb", "cup"])]
    with pytest.raises(InputError, match=r"b\.csv, line 2: no row of a table: field larger"):
        rows_of(write(tmp_path, "b.csv", b"a\n" + b"x" * 200_000))


@pytest.mark.parametrize(
    "value",
    ["x" * 10**6, 10**9000, [[[[[[[[[1]]]]]]]]], {str(i): i for i in range(999)}, float("nan")],
    ids=["text", "number", "nested", "fields", "nan"],
)
def test_whatever_was_found_is_shown_in_a_line(value):
    assert len(shown(value)) < 500


def test_what_refers_to_itself_is_shown():
    value: list = []
    value.append(value)
    with_aliases = parse_yaml("\n".join(["a0: &a0 [x]"] + [
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 20)
    ]), "a.yaml")  # fmt: skip
    assert len(shown(value)) < 100
    assert len(shown(with_aliases)) < 500
