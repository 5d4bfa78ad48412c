"""Measure labelling at scale with a labeller that costs nothing: plan, memory, kills, engines.

    python benchmarks/label_scale.py                             (the plan of 10 million images; memory)
    python benchmarks/label_scale.py --kills 20 --engines local ray      (SIGKILLs of workers and parents)
    python benchmarks/label_scale.py --images 10000 --engines local ray  (images per second)
    python benchmarks/label_scale.py --processes 1 2                     (a detector on drawn scenes)

But for the last, images are names alone. What is measured then is everything but reading and detection.
For ray, the package must be installed.
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
from collections import Counter
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
    parser.add_argument("--processes", type=int, nargs="*", default=[], help="numbers of workers")
    parser.add_argument("--scenes", type=int, default=200, help="images that they detect in")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        if arguments.processes:
            measure_processes(arguments.processes, arguments.scenes)
        elif arguments.kills:
            measure_kills(arguments.kills, arguments.seed, arguments.engines or ["local"])
        elif arguments.engines:
            for run, engine in enumerate(arguments.engines):
                measure_engine(engine, arguments.images, f"job-{run}")
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
    job = plan_job(Path(folder), ["list.txt"], InputOptions(size), described)
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
    """Label and merge in this process; say what memory holds after a tenth, and at each end."""
    from detic.labelling.dataset_file import merge_coco
    from detic.labelling.labelled_images import LabelledImages
    from detic.labelling.labellers import build_labeller
    from detic.labelling.worker import label_shard
    from detic.review.uncertainty import most_uncertain

    job, _ = plan(count, "memory")
    labeller = build_labeller(job.labeller)
    start = time.process_time()
    for index in range(job.num_shards):
        label_shard(job, index, labeller, lambda images: None)
        if index in (job.num_shards // 10, job.num_shards - 1):
            print(f"{(index + 1) * 1000} images: {resident_mib():.0f} MiB resident")
    seconds = time.process_time() - start
    print(f"{count} images: {seconds:.0f} s of CPU time, {count / seconds:.0f} images/s")
    images = LabelledImages(job, range(job.num_shards))
    merge_coco(images, Path("merged.json"))
    print(f"merged as COCO: {resident_mib():.0f} MiB resident")
    most_uncertain(images, 500)
    print(f"500 chosen for review: {resident_mib():.0f} MiB resident")


def resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def measure_kills(kills: int, seed: int, engines: list[str]) -> None:
    """Kill workers and parents at random times; compare the parts with undisturbed ones."""
    from detic.labelling.labellers import build_labeller
    from detic.labelling.worker import label_shard

    undisturbed, _ = plan(12_000, "undisturbed", 100)
    labeller = build_labeller(undisturbed.labeller)
    for index in range(undisturbed.num_shards):
        label_shard(undisturbed, index, labeller, lambda images: None)
    job, _ = plan(12_000, "job", 100)
    Path("slow").write_text("0.002")
    chance, killed, lost = random.Random(seed), Counter(), 0
    run = 0
    while job.missing():
        engine = engines[run % len(engines)]
        run += 1
        command = [*COMMAND, "run", "--job", "job", "--engine", engine, "--workers", "2"]
        with subprocess.Popen(command, env=ENVIRONMENT, start_new_session=True) as parent:
            while parent.poll() is None and job.missing():
                time.sleep(chance.uniform(0.5, 2.0))
                workers = workers_of(job)
                if killed.total() < kills and workers:
                    is_worker = killed.total() % 2 == 0
                    at_work = sum(map(job.is_locked, job.missing()))
                    kill(chance.choice(workers) if is_worker else parent.pid)
                    lost = max(lost, at_work)
                    killed[f"{engine} {'worker' if is_worker else 'parent'}"] += 1
        end_session(parent.pid)  # two daemons of Ray outlive a parent that was killed
    same = digest(job) == digest(undisturbed)
    print(f"kills: {dict(killed)}; at most {lost} shards at work at a kill; the same bytes: {same}")


def workers_of(job) -> list[int]:
    """Return the processes that hold locks of a job, by what Linux says of locks."""
    inodes = set()
    for path in (job.folder / "locks").iterdir():
        with suppress(FileNotFoundError):
            inodes.add(str(path.stat().st_ino))
    locks = (line.split() for line in Path("/proc/locks").read_text().splitlines())
    return [int(words[4]) for words in locks if words[5].rpartition(":")[2] in inodes]


def kill(process: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)


def end_session(session: int) -> None:
    """Kill what is left of a session of processes."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(FileNotFoundError, ProcessLookupError):
            words = path.read_text().rpartition(")")[2].split()
            if int(words[3]) == session:
                kill(int(path.parent.name))


def digest(job) -> str:
    content = hashlib.sha256()
    for index in range(job.num_shards):
        content.update(job.part_path(index).read_bytes())
    return content.hexdigest()


def measure_processes(numbers: list[int], scenes: int) -> None:
    """Label drawn scenes with so many detectors of one thread; say what an image costs each time."""
    from PIL import Image

    from detic.shapes.classes import draw_classes
    from detic.shapes.images import random_scene
    from detic.shapes.streams import Stream, generator

    classes = draw_classes(0)
    Path("photos").mkdir()
    for number in range(scenes):
        scene = random_scene(classes, generator(0, Stream.VAL, number))
        Image.fromarray(scene.rgb).save(f"photos/{number:05d}.png")
    for run, number in enumerate(numbers):
        cpu_s, wall_s = labelled_by(number, Path(f"job-{run}"))
        print(
            f"{number} processes: {1000 * cpu_s / scenes:.1f} ms of CPU time an image, "
            f"{scenes / wall_s:.1f} images/s"
        )


def labelled_by(number: int, folder: Path) -> tuple[float, float]:
    """Return the seconds, of all cores and of the clock, that so many detectors take."""
    names = ",".join(["green gear", "yellow mug", "red star"])
    words = ["photos", "--model", "shapes-detic", "--device", "cpu", "--custom-vocabulary", names]
    return labelling_seconds(folder, [*words, "--shard-size", "5", "--workers", str(number)])


def labelling_seconds(folder: Path, words: list[str]) -> tuple[float, float]:
    """Run a job; return the seconds of its workers, and of the clock, from when the first is ready."""
    from detic.labelling.job import is_planned, open_job

    begun, used, start = {}, {}, 0.0
    command = [*COMMAND, "run", "--job", str(folder), *words]
    with subprocess.Popen(command, env=ENVIRONMENT | {"OMP_NUM_THREADS": "1"}) as parent:
        while parent.poll() is None:
            time.sleep(0.02)
            if not is_planned(folder):
                continue
            for process in {*workers_of(open_job(folder)), *begun}:
                seconds = cpu_seconds(process)
                if seconds is not None:
                    start = start or time.monotonic()
                    begun.setdefault(process, seconds)
                    used[process] = seconds
    if parent.returncode:
        sys.exit(f"the run ended with status {parent.returncode}")
    return sum(used[p] - begun[p] for p in used), time.monotonic() - start


def cpu_seconds(process: int) -> float | None:
    """Return the CPU time of a process, by what Linux says; None if it has ended."""
    try:
        words = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def measure_engine(engine: str, count: int, folder: str) -> None:
    """Label with one worker; say what an image costs, and the rate after the first shard."""
    job, _ = plan(count, folder)
    Path("slow").write_text("0.01")  # seconds of an image: a fast detector's
    cpu_s, _ = labelling_seconds(job.folder, ["--engine", engine, "--workers", "1"])
    written = sorted(summary.written for _, summary in job.summaries())
    steady = (len(written) - 1) * 1000 / (written[-1] - written[0])
    print(f"{engine}: {1e6 * cpu_s / count:.0f} us of CPU time an image, {steady:.0f} images/s")


if __name__ == "__main__":
    main()
