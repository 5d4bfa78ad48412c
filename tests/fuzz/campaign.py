"""Give damaged files to a reader and watch what it does; run in a process of its own.

    python -m tests.fuzz.campaign FOLDER READER COUNT SEED

Prints one line for each input that did not end in a result or in one message.
"""

import os
import random
import resource
import signal
import sys
import time
import traceback
from pathlib import Path

from detic.errors import InputError
from detic.loading.image_reader import UnreadableImage

from .corpus import READERS
from .mutations import mutate

HANG_S = 20
MEMORY_BYTES = 4 * 2**30
PROPER_ENDS = (InputError, UnreadableImage)
RUNS_SOMETHING = {
    "os.system",
    "subprocess.Popen",
    "os.exec",
    "os.posix_spawn",
    "os.fork",
    "pty.spawn",
}
CHANGES = {
    "os.remove",
    "os.rename",
    "os.mkdir",
    "os.rmdir",
    "os.symlink",
    "os.link",
    "shutil.rmtree",
}
CHANGES |= {"os.chmod", "os.truncate", "shutil.move"}
TALKS = {"socket.connect", "socket.getaddrinfo"}
TO_WRITE = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC


class Watch:
    """What a process did that reading a file must not do."""

    def __init__(self, folder: Path):
        self.folder = os.path.realpath(folder)
        self.seen: list[str] = []
        sys.addaudithook(self._hear)

    def _hear(self, event: str, args: tuple) -> None:
        if event in RUNS_SOMETHING or event in TALKS:
            self.seen.append(f"{event} {args!r:.200}")
        elif (
            event == "open" and isinstance(args[2], int) and args[2] & TO_WRITE
        ) or event in CHANGES:
            self._check_place(event, args[0])

    def _check_place(self, event: str, path: object) -> None:
        if isinstance(path, str | bytes | os.PathLike):
            place = os.path.realpath(os.fsdecode(path))
            if not place.startswith((self.folder + os.sep, "/dev/null")):
                self.seen.append(f"{event} {place}")


def run(folder: Path, name: str, count: int, seed: int) -> list[str]:
    """Return a line for each input that a reader did not end properly with."""
    reader = READERS[name]
    inside = folder / "inside"
    inside.mkdir()
    os.chdir(inside)
    originals = reader.make(folder)
    for original in originals:  # what is not damaged can be read
        reader.read(original)
    watch = Watch(folder)
    signal.signal(signal.SIGALRM, _give_up)
    problems = []
    for number in range(count):
        rng = random.Random(f"{name} {seed} {number}")
        original = rng.choice(originals)
        damaged = inside / f"damaged{original.suffix}"
        damaged.write_bytes(mutate(original.read_bytes(), rng, is_archive=reader.is_archive))
        problem = _read(reader, damaged, watch)
        if problem:
            problems.append(f"{name}, seed {seed}, number {number}: {problem}")
    if resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 > MEMORY_BYTES:
        problems.append(f"{name}, seed {seed}: more than {MEMORY_BYTES} bytes of memory")
    return problems


def _read(reader, damaged: Path, watch: Watch) -> str | None:
    watch.seen.clear()
    start = time.monotonic()
    signal.alarm(HANG_S)
    try:
        reader.read(damaged)
    except PROPER_ENDS as error:
        if len(str(error)) > 3000:
            return f"a message of {len(str(error))} characters"
    except BaseException:
        return traceback.format_exc()[-1500:]
    finally:
        signal.alarm(0)
    if time.monotonic() - start > HANG_S:
        return "it hung"
    return "; ".join(watch.seen) or None


def _give_up(signum: int, frame: object) -> None:
    raise TimeoutError(f"no end after {HANG_S} s")


if __name__ == "__main__":
    folder, name, count, seed = sys.argv[1:]
    for problem in run(Path(folder), name, int(count), int(seed)):
        sys.stdout.write(problem + "\n")
