"""What a benchmark is: sides that do the same work, rows that compare two of them, and a worker process per side.

Imported in algobot's environment and in the peers', so it needs the standard library only. How to add a benchmark: README.md.
"""
from __future__ import annotations

import gc
import importlib.util
import json
import os
import resource
import select
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parent
WORKER_SILENCE_S = 1800.0  # a worker that says nothing for so long is taken for dead
REPEAT_FOR_S = 0.5         # a short call is repeated within its round until it has lasted about this long
MOST_REPEATS = 60
LONG_CALL_S = 20.0         # a first call that lasts longer is not repeated before the rounds
ROUNDS_FOR_S = 45.0        # no further round is begun after this long, so that a busy machine cannot hold one benchmark up for ever,
LEAST_ROUNDS = 3           # but so many are always made

# What every library is told of threads, so that a side has as many as it says and no more.
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "NUMEXPR_NUM_THREADS")


class BenchmarkError(RuntimeError):
    """A benchmark that could not be measured, or whose sides did not do the same work."""


@dataclass(frozen=True)
class Timed:
    """What a side returns when it times itself, because part of the call is not what is measured."""

    seconds: float
    outcome: Any


@dataclass(frozen=True)
class Side:
    """One way to do the work. `make(size)` prepares it and returns the function that is timed.

    That function returns an outcome (anything JSON can hold) for the benchmark's check, or a `Timed` when it times itself.
    """

    name: str
    make: Callable[[int], Callable[[], Any]]
    environment: str = "ours"  # "ours" = the Python that runs benchmarks/run.py; "peers" = the pins of benchmarks/peers.txt
    threads: int = 1           # that its libraries may use


@dataclass(frozen=True)
class Row:
    """One line of results.json: `ours` against `peer`, both names of sides."""

    name: str
    ours: str
    peer: str
    target: float | None = None  # None: the figure is shown, nothing is asked of it
    target_on: str = "ratio"     # "ratio" = at least `target` times the peer; "ours" = our own figure: a rate at least `target`, a duration at most
    note: str = ""


@dataclass(frozen=True)
class Benchmark:
    """Sides measured in turn, round after round, and the rows that compare them."""

    name: str
    unit: str               # of the figures, "bars/s" or "s"
    size: int               # how much work one call does
    quick_size: int         # the same for `--quick`, which writes no results
    sides: tuple[Side, ...]
    rows: tuple[Row, ...]
    rounds: int = 5
    per_second: bool = True  # True: figures are size / seconds, more is better; False: seconds, less is better
    check: Callable[[dict[str, Any]], None] | None = None  # gets {side: outcome}; raises `BenchmarkError` when the work differs

    def side(self, name: str) -> Side:
        """The side of that name."""
        return next(side for side in self.sides if side.name == name)

    def figure(self, seconds: float, size: int) -> float:
        """Seconds as this benchmark's unit."""
        return size / seconds if self.per_second else seconds

    def ratio(self, ours_seconds: float, peer_seconds: float) -> float:
        """How many times as fast as the peer ours is, for rates and for durations alike."""
        return peer_seconds / ours_seconds


def load_benchmarks(path: Path) -> list[Benchmark]:
    """The benchmarks that one bench_*.py file defines."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise BenchmarkError(f"{path}: not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return [value for value in vars(module).values() if isinstance(value, Benchmark)]


def agree(outcomes: dict[str, Any], key: str, relative: float = 0.0) -> None:
    """Raise unless all sides report the same `key`, numbers within `relative` of the first side's."""
    first, *others = outcomes
    want = outcomes[first][key]
    for name in others:
        have = outcomes[name][key]
        if have != want and (relative == 0.0 or abs(have - want) > relative * abs(want)):
            raise BenchmarkError(f"{name} has {key} {have!r}, {first} has {want!r}: they did not do the same work (tolerance {relative:g})")


# ---- in the worker ----------------------------------------------------------------------------------------------------------

def processor_seconds() -> float:
    """Processor time of this process and of the children that it has waited for."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def measure_once(run: Callable[[], Any]) -> tuple[float, float, Any]:
    """One timed call, with the garbage collector off during it and memory cleaned before it: seconds, share of a core that it had, outcome."""
    gc.collect()
    gc.disable()
    try:
        processor, start = processor_seconds(), time.perf_counter()
        outcome = run()
        seconds = time.perf_counter() - start
        share = (processor_seconds() - processor) / seconds
    finally:
        gc.enable()
    return (outcome.seconds, share, outcome.outcome) if isinstance(outcome, Timed) else (seconds, share, outcome)


# ---- in run.py --------------------------------------------------------------------------------------------------------------

class Worker:
    """A process that holds one side ready, spoken to in lines of JSON."""

    def __init__(self, python: Path | str, path: Path, benchmark: Benchmark, side: Side, size: int) -> None:
        self.name, self.repeats, self.size = side.name, 1, size
        self.seconds: list[list[float]] = []  # per round, each repeat
        self.outcome: Any = None
        self.shares: list[float] = []
        self._errors = tempfile.TemporaryFile(mode="w+b")  # noqa: SIM115 (closed with the worker)
        environment = {**os.environ, **dict.fromkeys(THREAD_VARIABLES, str(side.threads)), "PYTHONHASHSEED": "0", "PYTHONWARNINGS": "ignore", "ALGOBOT_BENCH_SIDE": side.environment}
        self._process = subprocess.Popen([str(python), "-u", str(FOLDER / "worker.py"), str(path), benchmark.name, side.name, str(size)],
                                         stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, env=environment, cwd=ROOT)

    def _complain(self, what: str) -> BenchmarkError:
        self._errors.seek(0)
        tail = self._errors.read()[-4000:].decode(errors="replace").strip()
        return BenchmarkError(f"{self.name}: {what}" + (f"\n{tail}" if tail else ""))

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], WORKER_SILENCE_S)
        if not ready:
            raise self._complain(f"said nothing for {WORKER_SILENCE_S:.0f} s")
        line = self._process.stdout.readline()
        if not line:
            raise self._complain(f"ended with exit code {self._process.wait()}")
        reply = json.loads(line)
        if "error" in reply:
            raise self._complain(reply["error"])
        return reply

    def _ask(self, **request: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        self._process.stdin.flush()
        return self._read()

    def warm_up(self) -> None:
        """Prepare, call until compilation and caches are behind, and choose how often a round repeats the call."""
        self._read()  # "ready"
        reply = self._ask(repeats=1)
        if reply["seconds"][0] < LONG_CALL_S:
            reply = self._ask(repeats=1)
        self.repeats = max(1, min(MOST_REPEATS, int(REPEAT_FOR_S / max(reply["seconds"][0], 1e-9))))
        self.outcome = reply["outcome"]

    def measure(self) -> float:
        """One round: the mean of its repeats, in seconds.

        The mean, because on a busy machine the median of short calls would leave out the pauses that long calls cannot escape.
        """
        reply = self._ask(repeats=self.repeats)
        self.outcome = reply["outcome"]
        self.seconds.append(reply["seconds"])
        self.shares += reply["shares"]
        return statistics.fmean(reply["seconds"])

    def close(self) -> None:
        """End the process and its pipes."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._errors.close()


@dataclass
class Result:
    """What one benchmark's rounds gave: seconds per side and round, and each side's outcome."""

    benchmark: Benchmark
    size: int
    seconds: dict[str, list[float]] = field(default_factory=dict)   # side -> one mean per round
    fastest: dict[str, float] = field(default_factory=dict)         # side -> its fastest single call
    shares: dict[str, float] = field(default_factory=dict)          # side -> share of a core that it had, 1 on an idle machine
    outcomes: dict[str, Any] = field(default_factory=dict)

    def row(self, row: Row) -> dict[str, Any]:
        """One entry of results.json; the ratio is the median of the rounds' ratios."""
        benchmark = self.benchmark
        ours, peer = self.seconds[row.ours], self.seconds[row.peer]
        ratios = [benchmark.ratio(a, b) for a, b in zip(ours, peer, strict=True)]
        figures = {side: benchmark.figure(statistics.median(self.seconds[side]), self.size) for side in (row.ours, row.peer)}
        ratio = statistics.median(ratios)
        judged, at_least = (ratio, True) if row.target_on == "ratio" else (figures[row.ours], benchmark.per_second)
        met = None if row.target is None else (judged >= row.target if at_least else judged <= row.target)
        return {
            "name": row.name, "unit": benchmark.unit, "ours": rounded(figures[row.ours]), "peer": rounded(figures[row.peer]),
            "peer_name": row.peer, "ratio": rounded(ratio), "target": row.target, "met": met,
            "benchmark": benchmark.name, "target_on": row.target_on, "note": row.note, "size": self.size,
            "threads_ours": benchmark.side(row.ours).threads, "threads_peer": benchmark.side(row.peer).threads,
            "ratios_by_round": [rounded(value) for value in ratios],
            "ours_best": rounded(benchmark.figure(self.fastest[row.ours], self.size)),
            "peer_best": rounded(benchmark.figure(self.fastest[row.peer], self.size)),
            "core_share_ours": rounded(self.shares[row.ours]), "core_share_peer": rounded(self.shares[row.peer]),
            "outcome_ours": self.outcomes[row.ours], "outcome_peer": self.outcomes[row.peer],
        }


def rounded(value: float) -> float:
    """Four significant digits: a benchmark has no more."""
    return float(f"{value:.4g}")


def run_benchmark(path: Path, benchmark: Benchmark, rows: list[Row], pythons: dict[str, Path | str], quick: bool,
                  say: Callable[[str], None]) -> Result:
    """Measure the sides that `rows` need, A B C A B C, one process each; check that they did the same work."""
    size = benchmark.quick_size if quick else benchmark.size
    needed = {name for row in rows for name in (row.ours, row.peer)}
    sides = [side for side in benchmark.sides if side.name in needed]
    result = Result(benchmark, size)
    workers: list[Worker] = []
    try:
        for side in sides:
            say(f"{benchmark.name}: preparing {side.name}")
            workers.append(Worker(pythons[side.environment], path, benchmark, side, size))
            workers[-1].warm_up()
        if benchmark.check is not None:
            benchmark.check({worker.name: worker.outcome for worker in workers})
        begin = time.perf_counter()
        for number in range(benchmark.rounds):
            if number >= LEAST_ROUNDS and time.perf_counter() - begin > ROUNDS_FOR_S:
                break
            for worker in workers:
                say(f"{benchmark.name}: round {number + 1} of {benchmark.rounds}, {worker.name}")
                result.seconds.setdefault(worker.name, []).append(worker.measure())
        for worker in workers:
            result.outcomes[worker.name] = worker.outcome
            result.fastest[worker.name] = min(min(seconds) for seconds in worker.seconds)
            result.shares[worker.name] = statistics.median(worker.shares)
        if benchmark.check is not None:
            benchmark.check(result.outcomes)
    finally:
        for worker in workers:
            worker.close()
    return result
