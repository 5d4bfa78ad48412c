"""Jobs that cost nothing."""

import os
import sys

import pytest

from detic.labelling.inputs import InputOptions
from detic.labelling.job import plan_job
from detic.labelling.labellers import build_labeller, describe_factory
from detic.labelling.merge import run_merge
from detic.labelling.worker import label_shard
from detic_commands.label.merge import argument_parser

LABELLER = "tests.quick_labeller:make"


@pytest.fixture
def plan(tmp_path, monkeypatch):
    """A function that plans a job of the inputs, which are relative to tmp_path."""
    # Workers find modules from there as well.
    monkeypatch.setattr(sys, "path", [os.path.abspath(folder) for folder in sys.path])
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    monkeypatch.chdir(tmp_path)

    def plan(*inputs, folder="job", size=4, column=None):
        options = InputOptions(size, column)
        return plan_job(tmp_path / folder, inputs, options, describe_factory(LABELLER))

    return plan


@pytest.fixture
def merged(tmp_path):
    """A function that merges a job with the flags of the command, and returns what it wrote."""

    def merged(job, format, output, *flags):
        path = tmp_path / output
        line = [str(job.folder), "--format", format, "--output", str(path), *flags]
        run_merge(argument_parser().parse_args(line))
        return path

    return merged


@pytest.fixture
def names(tmp_path):
    """A list of ten images, two of which fail."""
    names = [f"{'broken' if i % 5 == 3 else 'image'}-{i}.jpg" for i in range(10)]
    (tmp_path / "names.txt").write_text("\n".join(names))
    return names


def label(job, shards=None, retry_failed=False):
    """Label shards, by default all, here."""
    labeller = build_labeller(job.labeller)
    for index in range(job.num_shards) if shards is None else shards:
        label_shard(job, index, labeller, lambda count: None, retry_failed)
