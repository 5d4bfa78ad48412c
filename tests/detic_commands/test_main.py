"""How a command line finds its command."""

import re
import subprocess
import sys
from importlib import import_module

import pytest

from detic_commands import __version__, main
from detic_commands.main import COMMANDS, TOOLS, Command, command_of

HEAVY = ("torch", "numpy", "cv2", "detectron2", "detic")


def commands(group=COMMANDS, words=()):
    """All commands, each with the words that call it."""
    for name, entry in group.items():
        if isinstance(entry, Command):
            yield (*words, name), entry
        else:
            yield from commands(entry, (*words, name))


MODULES = {entry.module for _, entry in commands()} | set(TOOLS.values())


def end(*argv):
    with pytest.raises(SystemExit) as stopped:
        main.main(argv)
    return stopped.value.code


def test_parsers_load_nothing_heavy():
    code = f"""
import sys
from importlib import import_module
for name in {sorted(MODULES)}:
    import_module(f"detic_commands.{{name}}").argument_parser("x").format_help()
    assert not {set(HEAVY)} & sys.modules.keys(), name
"""
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("module", sorted(MODULES))
def test_help_names_the_command_and_explains_every_option(module):
    parser = import_module(f"detic_commands.{module}").argument_parser("detic this")
    assert "\n    detic this" in parser.format_help()
    assert "%" not in parser.format_help().replace("%s", "")
    assert all(action.help for action in parser._actions)


def test_help_of_groups_lists_their_commands(capsys):
    assert end("--help") == 0
    shown = capsys.readouterr().out
    assert all(f"\n  {name} " in shown for name in COMMANDS)
    end("data", "prepare", "--help")
    shown = capsys.readouterr().out
    assert "usage: detic data prepare COMMAND" in shown
    assert "remove_lvis_rare" in shown


def test_a_flag_that_chooses_a_command_needs_no_value_for_its_help(capsys):
    assert end("evaluate", "--predictions", "--help") == 0
    assert "--predictions" in capsys.readouterr().out


def test_version(capsys):
    assert end("--version") == 0
    assert capsys.readouterr().out == f"detic {__version__}\n"


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (("detct",), "detic: error: unknown command 'detct'; choose detect, serve, .*'detect'"),
        (("data", "chek"), r"detic data: error: unknown command 'chek'; .*did you mean 'check'\?"),
        (("train",), "detic train: error: .*--config-file"),
    ],
)
def test_mistakes_end_in_status_2(argv, message, capsys):
    assert end(*argv) == 2
    assert re.search(message, capsys.readouterr().err, re.DOTALL)


@pytest.mark.parametrize(
    ("argv", "module"),
    [
        (("--config-file", "x"), "evaluate"),
        (("--predictions", "x"), "evaluate_predictions"),
        (("--predictions=x",), "evaluate_predictions"),
        (("--after", "x", "--before", "y"), "forgetting_report"),
    ],
)
def test_flags_decide_what_is_evaluated(argv, module):
    assert COMMANDS["evaluate"].module_for(argv) == module


def test_evaluate_trains_nothing():
    parser = import_module("detic_commands.evaluate").argument_parser()
    arguments = parser.parse_args(["--config-file", "x", "MODEL.WEIGHTS", "y"])
    assert arguments.eval_only
    trained = (
        import_module("detic_commands.train").argument_parser().parse_args(["--config-file", "x"])
    )
    assert vars(arguments).keys() == vars(trained).keys()


def test_modules_know_the_words_that_call_them():
    assert command_of("data.remove_lvis_rare") == "detic data prepare remove_lvis_rare"
    assert command_of("vocabulary.embed") == "detic vocabulary embed"
    assert command_of("nothing") is None


def test_detic_runs_as_a_module_of_python():
    for module in ("detic_commands", "detic"):
        done = subprocess.run(
            [sys.executable, "-m", module, "--version"], capture_output=True, text=True, check=True
        )
        assert done.stdout == f"detic {__version__}\n"
