import asyncio
import threading

import pytest

from detic.errors import InputError
from detic.files import _machine
from detic.serving.limits import HTTPError, Limits
from detic.serving.uploads import VocabularyUpload, parse_upload, upload_of
from detic.serving.vocabularies import NUM_REMEMBERED, Vocabularies, version_of
from detic.vocabulary import Vocabulary

LIMITS = Limits(max_vocabularies=2)


def names(*texts):
    return Vocabulary.from_names(texts)


def upload(*texts):
    return VocabularyUpload(names(*texts))


def in_store(test, prepare=lambda classes: classes.names, folder=None):
    async def run():
        store = Vocabularies(prepare, names("thing"), LIMITS, folder)
        try:
            return await test(store)
        finally:
            store.close()

    return asyncio.run(run())


def test_versions_change_with_the_content_alone():
    assert version_of(names("a", "b")) == version_of(names("a", "b"))
    assert version_of(names("a", "b")) != version_of(names("b", "a"))


def test_stored_vocabularies_are_read_again(tmp_path):
    text = '[{"name": "mug", "synonyms": ["cup"], "negative": true}, "plate"]'
    sent = parse_upload(text, "body.json", LIMITS)

    async def store(vocabularies):
        assert (await vocabularies.put("kitchen", sent))[1]

    async def read(vocabularies):
        assert vocabularies.get("kitchen").classes.entries == sent.classes.entries
        await vocabularies.delete("kitchen")
        with pytest.raises(HTTPError, match="no vocabulary 'kitchen'"):
            vocabularies.get("kitchen")

    in_store(store, folder=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["kitchen.json"]
    in_store(read, folder=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_vocabulary_that_cannot_be_embedded_changes_nothing(tmp_path):
    def prepare(classes):
        if "bad" in classes.names:
            raise InputError("it does not fit")
        return classes.names

    async def test(vocabularies):
        before = vocabularies.get("default")
        with pytest.raises(InputError, match="does not fit"):
            await vocabularies.put("default", upload("bad"))
        with pytest.raises(InputError, match="does not fit"):
            await vocabularies.of_names(["bad"])
        assert vocabularies.get("default") is before

    in_store(test, prepare, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("id", ["", "../x", ".x", "a/b", "a b", "x" * 65, "ä"])
def test_ids_are_file_names(id):
    async def test(vocabularies):
        with pytest.raises(InputError, match="no id of a vocabulary"):
            await vocabularies.put(id, upload("a"))

    in_store(test)


def test_there_is_room_for_some_vocabularies():
    async def test(vocabularies):
        await vocabularies.put("one", upload("a"))
        with pytest.raises(HTTPError, match="2 vocabularies are stored already"):
            await vocabularies.put("two", upload("a"))
        assert not (await vocabularies.put("one", upload("b")))[1]
        with pytest.raises(HTTPError, match="no vocabulary 'two'"):
            await vocabularies.delete("two")

    in_store(test)


def test_the_default_vocabulary_is_replaced_and_given_back(tmp_path):
    async def replace(vocabularies):
        await vocabularies.put("default", upload("mug"))

    async def give_back(vocabularies):
        assert vocabularies.get("default").classes.names == ("mug",)
        await vocabularies.delete("default")
        assert vocabularies.get("default").classes.names == ("thing",)
        await vocabularies.delete("default")  # which changes nothing

    for test in (replace, give_back):
        in_store(test, folder=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_errors_of_the_services_own_disk_tell_no_paths(tmp_path):
    async def test(vocabularies):
        (tmp_path / "kitchen.json" / "in the way").mkdir(parents=True)
        with pytest.raises(HTTPError, match="its log says why") as put:
            await vocabularies.put("kitchen", upload("mug"))
        with pytest.raises(HTTPError, match="no vocabulary 'kitchen'"):
            vocabularies.get("kitchen")
        (tmp_path / "kitchen.json").rename(tmp_path / "away")
        await vocabularies.put("kitchen", upload("mug"))
        (tmp_path / "kitchen.json").unlink()
        (tmp_path / "kitchen.json").mkdir()
        with pytest.raises(HTTPError, match="its log says why") as delete:
            await vocabularies.delete("kitchen")
        assert vocabularies.get("kitchen").classes.names == ("mug",)
        assert {error.value.status for error in (put, delete)} == {503}
        assert str(tmp_path) not in f"{put.value} {delete.value}"

    in_store(test, folder=tmp_path)


def test_names_of_requests_are_embedded_once():
    embedded = []

    async def test(vocabularies):
        asked = (vocabularies.of_names(["a", "b"]) for _ in range(5))
        found = await asyncio.gather(*asked)
        assert len(set(map(id, found))) == 1
        for number in range(NUM_REMEMBERED):
            await vocabularies.of_names([str(number)])
        await vocabularies.of_names(["a", "b"])

    in_store(test, lambda classes: embedded.append(classes.names))
    assert embedded.count(("a", "b")) == 2  # again after it was forgotten


def test_embedding_blocks_no_one_who_asks_for_what_is_there():
    may_go = threading.Event()

    def prepare(classes):
        if "new" in classes.names:
            assert may_go.wait(20)
        return classes.names

    async def test(vocabularies):
        coming = asyncio.create_task(vocabularies.put("default", upload("new")))
        await asyncio.sleep(0.01)
        assert vocabularies.get("default").classes.names == ("thing",)
        may_go.set()
        await coming
        assert vocabularies.get("default").classes.names == ("new",)

    in_store(test, prepare)


def test_what_a_killed_process_left_is_no_vocabulary(tmp_path):
    another_machines = tmp_path / f".things.00000000-1-{'0' * 16}.json"
    own = tmp_path / f".things.{_machine()}-{2**22 + 1:x}-{'0' * 16}.json"  # no process has it
    for path in (another_machines, own):
        path.write_text("[")

    async def test(vocabularies):
        assert [one["id"] for one in vocabularies.summaries()] == ["default"]

    in_store(test, folder=tmp_path)
    assert list(tmp_path.iterdir()) == [another_machines]


def test_what_the_detector_cannot_take_is_left_out(tmp_path, caplog):
    def prepare(classes):
        if "shown" in classes.names:
            raise InputError("it is not fitted to examples")
        return classes.names

    (tmp_path / "fitted.json").write_text('["shown"]')
    (tmp_path / "broken.json").write_text("[")
    (tmp_path / "no id.json").write_text('["a"]')
    (tmp_path / "good.json").write_text('["mug"]')

    async def test(vocabularies):
        assert [one["id"] for one in vocabularies.summaries()] == ["default", "good"]

    in_store(test, prepare, tmp_path)
    assert f"{tmp_path / 'fitted.json'} stays where it is and is not served" in caplog.text
    assert "it is not fitted to examples" in caplog.text
    assert "'no id' is no id" in caplog.text
    assert len(list(tmp_path.iterdir())) == 4


class Held:
    """It prepares names one by one, when it is let."""

    def __init__(self):
        self.prepared = []
        self.begun, self.may_go = threading.Event(), threading.Event()

    def __call__(self, classes):
        self.prepared.append(classes.names[0])
        if classes.names != ("thing",):
            self.begun.set()
            assert self.may_go.wait(20)


def test_what_nobody_waits_for_is_not_embedded():
    held = Held()

    async def test(vocabularies):
        askers = [asyncio.create_task(vocabularies.of_names([str(n)])) for n in range(4)]
        again = asyncio.create_task(vocabularies.of_names(["3"]))
        await asyncio.to_thread(held.begun.wait, 20)
        while vocabularies._num_waiting < 4:
            await asyncio.sleep(0.001)
        first = held.prepared[-1]
        for asker in askers:
            asker.cancel()
        await asyncio.gather(*askers, return_exceptions=True)
        assert vocabularies._num_waiting == len({first, "3"})  # one is begun, one is waited for
        held.may_go.set()
        await again
        await vocabularies.of_names([first])  # was finished and is remembered
        assert set(held.prepared) == {"thing", first, "3"}
        assert len(held.prepared) == len(set(held.prepared))

    in_store(test, held)


def test_names_that_are_remembered_are_not_checked_again(monkeypatch):
    async def test(vocabularies):
        asked = await vocabularies.of_names(["a", "b"])
        monkeypatch.delattr("detic.serving.vocabularies.upload_of")
        assert await vocabularies.of_names(["a", "b"]) is asked

    in_store(test)


def test_new_names_are_checked_beside_the_event_loop(monkeypatch):
    threads = []

    def noted(*arguments):
        threads.append(threading.current_thread())
        return upload_of(*arguments)

    monkeypatch.setattr("detic.serving.vocabularies.upload_of", noted)

    async def test(vocabularies):
        await vocabularies.of_names(["a"])
        with pytest.raises(InputError, match="both name 1 and name 2"):
            await vocabularies.of_names(["a", "a"])

    in_store(test)
    assert len(threads) == 2
    assert threading.current_thread() not in threads
