"""What a user waits for before the first step: the import, and Numba's first call from its cache on disk.

Each call is a fresh Python process that times itself from after the interpreter's own start.
"""
from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from typing import Any

from harness import ROOT, Benchmark, BenchmarkError, Row, Side, Timed

HEAVY = ("ray", "mlflow", "learn2learn", "streamlit", "fastapi", "ccxt")  # packages that this import must not bring along

IMPORT = """
import json, sys, time
start = time.perf_counter()
import {modules}
seconds = time.perf_counter() - start
print(json.dumps([seconds, [name for name in {heavy!r} if name in sys.modules]]))
"""

FIRST_STEP = """
import json, sys, time
sys.path.insert(0, "benchmarks")
import numpy as np
from markets import market
from algobot.market.bars import Bars
from algobot.market.instruments import Instrument, InstrumentType
from algobot.simulation.trading_env import TradingEnv
timestamps = np.datetime64("2000-01-01", "ns") + np.arange({bars}) * np.timedelta64(60_000_000_000, "ns")
bars = Bars(symbol="WALK", timeframe="1m", timestamps=timestamps, **market({bars}))
option = Instrument(symbol="WALK_OPTION", underlying="WALK", type=InstrumentType.OPTION, lot_size=100, tick_size=0.01)
start = time.perf_counter()
environment = TradingEnv(bars, option)
environment.reset(seed=1)
environment.step(2)
print(json.dumps([time.perf_counter() - start, []]))
"""


def fresh_process(code: str, **environment: str) -> Timed:
    """Run `code` in a new Python in the repository's root; it prints its seconds and what it should not have imported."""
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, env={**os.environ, "PYTHONPATH": path, **environment})
    if done.returncode:
        raise BenchmarkError(done.stderr[-3000:])
    seconds, heavy = json.loads(done.stdout.splitlines()[-1])
    return Timed(seconds, {"heavy_imports": heavy})


def importing(modules: str) -> Callable[[int], Callable[[], Timed]]:
    """A side that imports `modules`."""
    return lambda size: lambda: fresh_process(IMPORT.format(modules=modules, heavy=HEAVY))


def first_step_cached(bars: int) -> Callable[[], Timed]:
    """Build, reset and step an environment with a Numba cache that an earlier process filled."""
    cache = tempfile.TemporaryDirectory(prefix="algobot-bench-")
    code = FIRST_STEP.format(bars=bars)

    def run() -> Timed:
        return fresh_process(code, NUMBA_CACHE_DIR=cache.name)

    run()  # fills the cache
    return run


def first_step_compiled(bars: int) -> Callable[[], Timed]:
    """The same with an empty cache: everything is compiled."""

    def run() -> Timed:
        with tempfile.TemporaryDirectory(prefix="algobot-bench-") as cache:
            return fresh_process(FIRST_STEP.format(bars=bars), NUMBA_CACHE_DIR=cache)

    return run


def check(outcomes: dict[str, Any]) -> None:
    """Nothing heavy came along."""
    for name, one in outcomes.items():
        if one["heavy_imports"]:
            raise BenchmarkError(f"{name} imports {', '.join(one['heavy_imports'])}: only the notebook about a heavy package may import it")


IMPORTS = Benchmark(
    name="import", unit="s", size=1, quick_size=1, per_second=False, check=check,
    sides=(
        Side("import algobot.simulation.trading_env", importing("algobot.simulation.trading_env")),
        Side("import gymnasium, numba, pandas", importing("gymnasium, numba, pandas")),
    ),
    rows=(Row("import-trading-env", "import algobot.simulation.trading_env", "import gymnasium, numba, pandas", target=3.0, target_on="ours",
              note="the peer is the floor: three packages that it needs"),),
)

FIRST_STEPS = Benchmark(
    name="first-step", unit="s", size=1_000, quick_size=1_000, rounds=3, per_second=False, check=check,
    sides=(
        Side("first step, cached", first_step_cached),
        Side("first step, compiled anew", first_step_compiled),
    ),
    rows=(Row("first-step-cached", "first step, cached", "first step, compiled anew", note="environment built, reset and stepped once, after the import"),),
)
