"""Loggers."""

import logging
import time

import pytest
from detectron2.utils.logger import (
    create_small_table,
    log_every_n,
    log_every_n_seconds,
    log_first_n,
    setup_logger,
)


@pytest.fixture
def clean_logger():
    name = "portable_test_logger"
    setup_logger.cache_clear()
    yield name
    logging.getLogger(name).handlers.clear()


def test_main_process_prints_and_writes(clean_logger, tmp_path, capsys):
    logger = setup_logger(str(tmp_path), name=clean_logger, color=False)
    logger.getChild("part").info("hello")
    assert "portable_test_logger.part INFO: hello" in capsys.readouterr().out
    assert "hello" in (tmp_path / "log.txt").read_text()


def test_other_processes_write_a_file_of_their_own(clean_logger, tmp_path, capsys):
    setup_logger(str(tmp_path / "run.log"), 2, name=clean_logger).info("hello")
    assert capsys.readouterr().out == ""
    assert "hello" in (tmp_path / "run.log.rank2").read_text()


def test_coloured_lines_show_levels_from_warnings_on(clean_logger, capsys):
    logger = setup_logger(name=clean_logger)
    logger.info("quiet")
    logger.warning("loud")
    quiet, loud = capsys.readouterr().out.splitlines()
    assert "INFO" not in quiet
    assert "WARNING" in loud


def test_second_setup_adds_no_handlers(clean_logger):
    handlers = list(setup_logger(name=clean_logger).handlers)
    assert setup_logger(name=clean_logger).handlers == handlers


def test_messages_are_logged_a_number_of_times(caplog):
    with caplog.at_level(logging.INFO):
        for number in range(5):
            log_first_n(logging.INFO, f"first {number}", n=2)
            log_first_n(logging.INFO, "same", key="message")
            log_first_n(logging.INFO, "same", key="message")  # another line, the same message
            log_every_n(logging.INFO, f"every {number}", n=3)
    messages = [record.message for record in caplog.records]
    assert messages == ["first 0", "same", "every 0", "first 1", "every 3"]
    assert {record.name for record in caplog.records} == {__name__}


def test_messages_are_logged_after_a_time(caplog, monkeypatch):
    now = iter([0.0, 1.0, 5.0, 6.0])
    monkeypatch.setattr(time, "monotonic", lambda: next(now))
    with caplog.at_level(logging.INFO):
        for number in range(4):
            log_every_n_seconds(logging.INFO, str(number), n=5, name="own")
    assert [record.message for record in caplog.records] == ["0", "2"]
    assert caplog.records[0].name == "own"


def test_small_table():
    names, _, values = create_small_table({"AP": 41.5, "AP50": 60}).splitlines()
    assert names.split() == ["|", "AP", "|", "AP50", "|"]
    assert values.split() == ["|", "41.500", "|", "60", "|"]


def test_names_can_be_abbreviated(capsys):
    setup_logger(name="abbreviated", abbrev_name="ab", color=True).getChild("x").info("hello")
    setup_logger(name="silent", configure_stdout=False).info("nothing")
    out = capsys.readouterr().out
    assert "ab.x]" in out
    assert "nothing" not in out
