"""Loggers, rate-limited messages and tables."""

import logging

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
    logger = setup_logger(str(tmp_path), name=clean_logger, abbrev_name="t", color=False)
    logger.getChild("part").info("hello")
    assert "portable_test_logger.part INFO: hello" in capsys.readouterr().out
    assert "hello" in (tmp_path / "log.txt").read_text()


def test_other_processes_write_a_file_of_their_own(clean_logger, tmp_path, capsys):
    setup_logger(str(tmp_path / "run.log"), 2, name=clean_logger).info("hello")
    assert capsys.readouterr().out == ""
    assert "hello" in (tmp_path / "run.log.rank2").read_text()


def test_coloured_lines_abbreviate_the_name(clean_logger, capsys):
    logger = setup_logger(name=clean_logger, abbrev_name="t")
    logger.getChild("part").warning("hello")
    line = capsys.readouterr().out
    assert "t.part" in line
    assert "WARNING" in line
    assert clean_logger not in line


def test_second_setup_adds_no_handlers(clean_logger):
    handlers = list(setup_logger(name=clean_logger).handlers)
    assert setup_logger(name=clean_logger).handlers == handlers


def test_first_n_counts_by_line_or_by_message(caplog):
    for index in range(5):
        log_first_n(logging.WARNING, f"line {index}", 2)
        log_first_n(logging.WARNING, f"text {index % 2}", key="message")
    messages = [record.message for record in caplog.records]
    assert messages == ["line 0", "text 0", "line 1", "text 1"]
    assert caplog.records[0].name == __name__


def test_every_n(caplog):
    for index in range(5):
        log_every_n(logging.WARNING, str(index), 2)
    assert [record.message for record in caplog.records] == ["0", "2", "4"]


def test_every_n_seconds(caplog, monkeypatch):
    for second in (0, 5, 10, 19):
        monkeypatch.setattr("time.monotonic", lambda second=second: second)
        log_every_n_seconds(logging.WARNING, str(second), 10)
    assert [record.message for record in caplog.records] == ["0", "10"]


def test_small_table():
    head, _, row = create_small_table({"AP": 41.53219, "AP50": 60.0}).splitlines()
    assert "AP50" in head
    assert "41.532" in row
