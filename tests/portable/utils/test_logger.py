"""Loggers."""

import logging

import pytest
from detectron2.utils.logger import setup_logger


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
