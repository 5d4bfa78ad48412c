"""Measure the service under load, on the loopback, with the small shipped detector.

    python benchmarks/serve_load.py
    python benchmarks/serve_load.py --clients 64 --requests 1000 --swaps 1000

The server is a process of its own, started as `detic serve`. Clients send the same image; each waits
for its answer before it sends the next. Meanwhile vocabularies are swapped. Of each answer it is
checked that all its names are of the vocabulary whose version it carries. The same images through the
detector alone, in batches of as many, are the measure: rounds of both take turns, and the best of each
counts. On a machine where others compute, CPU seconds tell more than rates.
"""

import argparse
import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
IMAGE = ROOT / "docs" / "pictures" / "scene.png"
THINGS = ("green gear", "yellow mug", "blue boat", "red star", "purple umbrella", "yellow key")
SWAPPED = "/v1/vocabularies/swapped"
MIB = 2**20


@dataclass
class Tally:
    """What came of a round."""

    seconds: list[float] = field(default_factory=list)  # of each answer
    failures: Counter[str] = field(default_factory=Counter)
    num_mixed: int = 0
    num_swaps: int = 0
    wall_s: float = 0.0

    @property
    def rate(self) -> float:
        return len(self.seconds) / self.wall_s


@dataclass
class Pace:
    """The best of some rounds."""

    rate: float = 0.0  # images/s
    cpu_s: float = float("inf")  # of an image

    def note(self, rate: float, cpu_s: float) -> None:
        self.rate, self.cpu_s = max(self.rate, rate), min(self.cpu_s, cpu_s)


def main() -> None:
    """Measure and print."""
    args = arguments()
    print(f"load before: {os.getloadavg()[0]:.1f}; {args.threads} threads; {args.clients} clients")
    server, address = start_server(args)
    try:
        detect_alone = bare_detector(args)
        bare, served = Pace(), Pace()
        for number in range(args.rounds):
            bare.note(*detect_alone(args.requests))
            before_s = cpu_seconds(server.pid)
            report = asyncio.run(one_round(address, server.pid, args, swaps=0))
            count = len(report.seconds)
            served.note(count / report.wall_s, (cpu_seconds(server.pid) - before_s) / count)
            show(f"round {number + 1}", report, server.pid)
        print(f"images/s: bare {bare.rate:.1f}, server {served.rate:.1f}")
        print(
            f"CPU ms an image: bare {1000 * bare.cpu_s:.1f}, server {1000 * served.cpu_s:.1f}: ",
            end="",
        )
        print(
            f"{bare.cpu_s / served.cpu_s:.2f} of the bare detector's rate where nothing else runs"
        )
        report = asyncio.run(one_round(address, server.pid, args, swaps=args.swaps))
        show(f"{report.num_swaps} swaps", report, server.pid)
    finally:
        server.send_signal(signal.SIGTERM)
        print(f"ended with status {server.wait(60)}; load after: {os.getloadavg()[0]:.1f}")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clients", type=int, default=64, help="that send at a time")
    parser.add_argument("--requests", type=int, default=400, help="of a round, at least")
    parser.add_argument(
        "--swaps", type=int, default=1000, help="of vocabularies, in the last round"
    )
    parser.add_argument("--rounds", type=int, default=3, help="of the bare detector and the server")
    parser.add_argument("--batch", type=int, default=8, help="images of a batch")
    parser.add_argument("--threads", type=int, default=1, help="that compute")
    return parser.parse_args()


def environment(args: argparse.Namespace) -> dict[str, str]:
    return os.environ | {"OMP_NUM_THREADS": str(args.threads), "OMP_WAIT_POLICY": "PASSIVE"}


def start_server(args: argparse.Namespace) -> tuple[subprocess.Popen, tuple[str, int]]:
    """Return the running server and where it answers."""
    command = [sys.executable, "-m", "detic", "serve", "--model", "shapes-detic", "--device", "cpu"]
    command += ["--port", "0", "--max-batch", str(args.batch), "--max-requests", "1000"]
    command += ["--custom-vocabulary", ",".join(THINGS)]
    server = subprocess.Popen(
        command, cwd=ROOT, env=environment(args), stderr=subprocess.PIPE, text=True
    )
    for line in server.stderr or ():
        found = re.search(r"http://([\d.]+):(\d+)", line)
        if found:
            return server, (found[1], int(found[2]))
    raise SystemExit("the server did not start")


def bare_detector(args: argparse.Namespace):
    """Return a function that gives images/s and CPU seconds an image of the detector alone."""
    import torch

    from detic import Detector

    torch.set_num_threads(args.threads)
    detector = Detector.from_pretrained("shapes-detic", list(THINGS), device="cpu")
    content = IMAGE.read_bytes()
    detector([content] * args.batch, masks=False)

    def pace(count: int) -> tuple[float, float]:
        starts_s, cpu_s = time.perf_counter(), time.process_time()
        num_images = -(-count // args.batch) * args.batch
        for _ in range(0, num_images, args.batch):
            detector([content] * args.batch, masks=False, batch_size=args.batch)
        wall_s = time.perf_counter() - starts_s
        return num_images / wall_s, (time.process_time() - cpu_s) / num_images

    return pace


async def one_round(
    address: tuple[str, int], pid: int, args: argparse.Namespace, swaps: int
) -> Tally:
    """Return what became of the requests of all clients."""
    tally, versions = Tally(), {}
    left = iter(range(args.requests))
    swapping = asyncio.create_task(swap_all(address, pid, swaps, versions, tally))
    while swaps and not versions:
        await asyncio.sleep(0.01)
    path = "/v1/detect?vocabulary=swapped" if swaps else "/v1/detect"
    starts_s = time.perf_counter()
    clients = [
        send_all(address, path, left, versions, swapping, tally) for _ in range(args.clients)
    ]
    await asyncio.gather(*clients)
    tally.wall_s = time.perf_counter() - starts_s
    await swapping
    return tally


async def swap_all(address, pid, count, versions, tally) -> None:
    """Store vocabularies of disjoint names one after the other."""
    if not count:
        return
    reader, writer = await asyncio.open_connection(*address)
    for turn in range(count):
        names = [f"{name} {turn % 50}" for name in THINGS]  # 50 vocabularies, again and again
        body = json.dumps(names).encode()
        status, answer = await request(reader, writer, "PUT", SWAPPED, body, "application/json")
        if status not in (200, 201):
            tally.failures[f"PUT {status}"] += 1
            continue
        versions[answer["version"]] = set(names)
        tally.num_swaps += 1
        if tally.num_swaps % 250 == 0:
            print(f"  {tally.num_swaps} swaps: {memory_mib(pid):.0f} MiB")
    writer.close()


async def send_all(address, path, left, versions, swapping, tally) -> None:
    """Send an image again and again, until enough are sent and all vocabularies are swapped."""
    content = IMAGE.read_bytes()
    reader, writer = await asyncio.open_connection(*address)
    while next(left, None) is not None or not swapping.done():
        starts_s = time.perf_counter()
        status, answer = await request(reader, writer, "POST", path, content, "image/png")
        if status != 200:
            tally.failures[f"POST {status}"] += 1
            continue
        tally.seconds.append(time.perf_counter() - starts_s)
        known = versions.get(answer["vocabulary"]["version"], set(THINGS))
        tally.num_mixed += not {found["name"] for found in answer["detections"]} <= known
    writer.close()


async def request(reader, writer, method, path, body, kind) -> tuple[int, dict]:
    """Return status and JSON of an answer, over a connection that stays open."""
    head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\n"
    writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
    await writer.drain()
    answer = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    length = int(re.findall(r"content-length: (\d+)", answer)[0])
    return int(answer.split()[1]), json.loads(await reader.readexactly(length))


def show(name: str, tally: Tally, pid: int) -> None:
    ordered = sorted(tally.seconds)
    p50, p99 = (ordered[int(share * (len(ordered) - 1))] for share in (0.5, 0.99))
    print(
        f"{name}: {len(ordered)} answers, {tally.rate:.1f} /s, median {p50:.2f} s, p99 {p99:.2f} s; "
        f"failures {dict(tally.failures) or 0}, mixed {tally.num_mixed}; {memory_mib(pid):.0f} MiB"
    )


def cpu_seconds(pid: int) -> float:
    """Return what a process has computed so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_mib(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / MIB


if __name__ == "__main__":
    main()
