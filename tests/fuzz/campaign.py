"""Give damaged files to a reader and watch what it does; run in a process of its own.

    python -m tests.fuzz.campaign FOLDER COUNT SEED [READER...]

Prints one line for each input that did not end in a result or in one message.
"""

import os
import random
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path

from detic.errors import InputError
from detic.loading.image_reader import UnreadableImage

from .corpus import READERS, Reader
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


def run(folder: Path, count: int, seed: int, names: Sequence[str]) -> Iterator[str]:
    """Yield a line for each input that a reader did not end properly with.

    Args:
        folder: empty; the files are made in it.
        count: damaged files for each reader.
        seed: of the damage.
        names: of the readers.
    """
    signal.signal(signal.SIGALRM, _give_up)
    tempfile.tempdir = str(folder)
    originals = {name: _originals(folder / name, READERS[name]) for name in names}
    watch = Watch(folder)
    for name in names:
        os.chdir(folder / name / "inside")
        for number in range(count):
            rng = random.Random(f"{name} {seed} {number}")
            damaged = _damaged(rng.choice(originals[name]), rng, READERS[name].is_archive)
            problem = _read(READERS[name], damaged, watch)
            if problem:
                yield f"{name}, seed {seed}, number {number}: {problem}"
    if resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 > MEMORY_BYTES:
        yield f"more than {MEMORY_BYTES} bytes of memory"


def _originals(folder: Path, reader: Reader) -> Sequence[Path]:
    """Return whole files, which can be read."""
    (folder / "inside").mkdir(parents=True)
    originals = reader.make(folder)
    for original in originals:
        reader.read(original)
    return originals


def _damaged(original: Path, rng: random.Random, is_archive: bool) -> Path:
    path = Path(f"damaged{original.suffix}").absolute()
    path.write_bytes(mutate(original.read_bytes(), rng, is_archive=is_archive))
    return path


def _read(reader: Reader, damaged: Path, watch: Watch) -> str | None:
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
    folder, count, seed, *names = sys.argv[1:]
    for problem in run(Path(folder).absolute(), int(count), int(seed), names or list(READERS)):
        sys.stdout.write(problem + "\n")
