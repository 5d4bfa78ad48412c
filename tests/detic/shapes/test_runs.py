"""The commands of the benchmark."""

import pytest

from detic.shapes import runs


@pytest.mark.parametrize("interrupted", [False, True])
def test_only_a_training_that_was_interrupted_is_resumed(tmp_path, monkeypatch, interrupted):
    commands = []
    monkeypatch.setattr(runs, "run_command", lambda *words, **_: commands.append(words))
    if interrupted:
        (tmp_path / "last_checkpoint").write_text("model_last.pth")
    runs.train("Detic", tmp_path, tmp_path, {})
    assert ("--resume" in commands[0]) == interrupted
