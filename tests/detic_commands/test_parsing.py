"""Flags that are common to commands."""

import argparse

import pytest

from detic_commands import detect, parsing, train


@pytest.mark.parametrize(
    ("parser", "argv", "message"),
    [
        (
            detect.argument_parser(),
            "--input a --opts MODEL.WEIGHTS x --output y",
            "--output must come before --opts",
        ),
        (
            detect.argument_parser(),
            "--input a --opts MODEL.WEIGHTS x --output=y",
            "--output must come before --opts",
        ),
        (
            train.argument_parser(),
            "--config-file a SEED 1 --num-gpus 0",
            "--num-gpus must come before the KEY VALUE pairs",
        ),
    ],
)
def test_flags_after_overrides_are_refused(parser, argv, message, capsys):
    with pytest.raises(SystemExit) as stopped:
        parser.parse_args(argv.split())
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err


def test_overrides_may_be_negative_numbers():
    arguments = train.argument_parser().parse_args(["--config-file", "a", "SEED", "-1"])
    assert arguments.opts == ["SEED", "-1"]


@pytest.mark.parametrize("dash", ["-", "_"])
def test_both_spellings_are_understood(dash):
    flags = f"--input a --custom{dash}vocabulary cat --pred{dash}all{dash}class"
    arguments = detect.argument_parser().parse_args(flags.split())
    assert (arguments.custom_vocabulary, arguments.pred_all_class) == ("cat", True)


def test_a_model_has_its_recipe(capsys):
    parser = detect.argument_parser()
    assert parser.parse_args(["--input", "a", "--model", "shapes-detic"]).model == "shapes-detic"
    with pytest.raises(SystemExit):
        parser.parse_args(["--input", "a", "--model", "m", "--config-file", "c"])
    assert "not allowed with argument --model" in capsys.readouterr().err


def test_positive_numbers():
    with pytest.raises(argparse.ArgumentTypeError, match="0 is too small; choose at least 1"):
        parsing.positive_int("0")
    with pytest.raises(argparse.ArgumentTypeError, match=r"'2\.5' is no whole number"):
        parsing.positive_int("2.5")
    with pytest.raises(argparse.ArgumentTypeError, match="-1 is too small; choose at least 0"):
        parsing.count("-1")
    assert (parsing.positive_int("1"), parsing.count("0"), parsing.positive_number("0.5")) == (
        1,
        0,
        0.5,
    )
    for text in ("0", "-1", "nan", "inf", "x"):
        with pytest.raises(argparse.ArgumentTypeError, match=f"'{text}' is no number above 0"):
            parsing.positive_number(text)
