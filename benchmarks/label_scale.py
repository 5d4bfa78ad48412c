"""Measure labelling at scale with a labeller that costs nothing: plan, memory, kills, engines.

    python benchmarks/label_scale.py                             (the plan of 10 million images; memory)
    python benchmarks/label_scale.py --kills 20                  (SIGKILLs of workers and of the parent)
    python benchmarks/label_scale.py --engines local ray         (images per second; ray must be installed)

The images are names alone. What is measured is everything but reading and detection.
"""

import argparse
import hashlib
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
LABELLER = "tests.quick_labeller:make"
COMMAND = [sys.executable, "-m", "detic", "label"]
ENVIRONMENT = os.environ | {
    "PYTHONPATH": os.pathsep.join([str(ROOT), *(os.path.abspath(p) for p in sys.path[1:] if p)])
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--planned", type=int, default=10_000_000, help="images of the plan")
    parser.add_argument("--images", type=int, default=1_000_000, help="images that are labelled")
    parser.add_argument(
        "--kills", type=int, default=0, help="SIGKILLs, in turn of worker and parent"
    )
    parser.add_argument("--seed", type=int, default=0, help="decides when the kills come")
    parser.add_argument("--engines", nargs="*", default=[], help="local, ray")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        if arguments.kills:
            measure_kills(arguments.kills, arguments.seed)
        elif arguments.engines:
            for engine in arguments.engines:
                measure_engine(engine, arguments.images)
        else:
            measure_plan(arguments.planned)
            measure_memory(arguments.images)


def write_list(path: str, count: int) -> None:
    with open(path, "w") as file:
        file.writelines(f"photos/{number:09d}.jpg\n" for number in range(count))


def plan(count: int, folder: str = "job", size: int = 1000):
    from detic.labelling.inputs import InputOptions
    from detic.labelling.job import plan_job
    from detic.labelling.labellers import describe_factory

    write_list("list.txt", count)
    described = describe_factory(LABELLER)
    start = time.process_time()
    job = plan_job(
        Path(folder),
        ["list.txt"],
        InputOptions(size),
        settings=described.settings,
        labeller=described.values,
        categories=described.categories,
    )
    return job, time.process_time() - start


def measure_plan(count: int) -> None:
    plan(1000, "warm")
    before = peak_mib()
    job, seconds = plan(count, "planned")
    on_disk = (job.folder / "shards.jsonl").stat().st_size / 2**20
    print(
        f"plan of {job.num_images} images: {seconds:.1f} s of CPU time, {on_disk:.1f} MiB on disk, "
        f"{peak_mib() - before:.1f} MiB of memory"
    )


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure_memory(count: int) -> None:
    """Label in this process; say what memory holds after a tenth and at the end."""
    from detic.labelling.labellers import build_labeller
    from detic.labelling.worker import label_shard

    job, _ = plan(count, "memory")
    labeller = build_labeller(job.labeller)
    start = time.process_time()
    for index in range(job.num_shards):
        label_shard(job, index, labeller, lambda images: None)
        if index in (job.num_shards // 10, job.num_shards - 1):
            print(f"{(index + 1) * 1000} images: {resident_mib():.0f} MiB resident")
    seconds = time.process_time() - start
    print(f"{count} images: {seconds:.0f} s of CPU time, {count / seconds:.0f} images/s")


def resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def measure_kills(kills: int, seed: int) -> None:
    """Kill workers and parents at random times; compare the parts with undisturbed ones."""
    from detic.labelling.labellers import build_labeller
    from detic.labelling.worker import label_shard

    undisturbed, _ = plan(12_000, "undisturbed", 100)
    labeller = build_labeller(undisturbed.labeller)
    for index in range(undisturbed.num_shards):
        label_shard(undisturbed, index, labeller, lambda images: None)
    job, _ = plan(12_000, "job", 100)
    Path("slow").write_text("0.002")
    chance, killed, lost = random.Random(seed), 0, 0
    while job.missing():
        with subprocess.Popen(
            [*COMMAND, "run", "--job", "job", "--workers", "2"], env=ENVIRONMENT
        ) as run:
            while run.poll() is None and job.missing():
                time.sleep(chance.uniform(0.5, 2.0))
                victims = workers_of(job) if killed % 2 == 0 else [run.pid]
                if killed < kills and victims and workers_of(job):
                    claimed = sum(map(job.is_claimed, job.missing()))
                    kill(chance.choice(victims))
                    lost = max(lost, claimed)
                    killed += 1
    same = digest(job) == digest(undisturbed)
    print(f"{killed} kills; at most {lost} shards at work at a kill; the same bytes: {same}")


def workers_of(job) -> list[int]:
    """Return the processes that hold claims of a job, by what Linux says of locks."""
    inodes = {str(path.stat().st_ino) for path in existing(job.folder / "claims")}
    locks = (line.split() for line in Path("/proc/locks").read_text().splitlines())
    return [int(words[4]) for words in locks if words[5].rpartition(":")[2] in inodes]


def existing(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.exists()]


def kill(process: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)


def digest(job) -> str:
    content = hashlib.sha256()
    for index in range(job.num_shards):
        content.update(job.part_path(index).read_bytes())
    return content.hexdigest()


def measure_engine(engine: str, count: int) -> None:
    job, _ = plan(count, engine)
    start = time.monotonic()
    command = [*COMMAND, "run", "--job", engine, "--engine", engine, "--workers", "1"]
    subprocess.run(command, env=ENVIRONMENT, check=True)
    written = sorted(summary.written for _, summary in job.summaries())
    steady = (len(written) - 1) * 1000 / (written[-1] - written[0])
    print(
        f"{engine}: {count / (time.monotonic() - start):.0f} images/s with start, {steady:.0f} without"
    )


if __name__ == "__main__":
    main()
