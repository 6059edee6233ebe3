"""`TradingVectorEnv` with whole observations against gym-trading-env under Gymnasium's SyncVectorEnv and AsyncVectorEnv; cost against N; distance from memory.

Each side plays random actions drawn beforehand on the same 100,000 random-walk bars, resets included, and the same number of steps per
call would take the peers an hour; so each side's call plays a number of steps of its own and returns the seconds that `size` steps take
at that rate. Ours uses as many threads as the machine has cores (the Async peer has a process for each environment).

A step of ours computes the account, a ledger of the reward's terms, an action mask, and an observation of all features and account state;
one of gym-trading-env a portfolio, and 5 features and 2 account values. "memory alone" is a copy of as many bytes as a step of ours touches, by
NumPy, on as many threads, over arrays of the same size: what memory alone would allow.
"""
from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from bench_env import frame
from harness import Benchmark, BenchmarkError, Row, Side, Timed

BARS = 100_000
SEED = 1
PEER_ENVS = 16      # the more of them, the better for the peers: their cost per call is shared
MANY = 2_048
CURVE = (1, 8, 64, 512, 4_096)


def play(environment: Any, size: int, calls: int) -> Callable[[], Timed]:
    """A function that steps a vector environment `calls` times and gives the seconds of `size` steps at that rate."""
    import time

    import numpy as np

    environment.action_space.seed(SEED)
    actions = [environment.action_space.sample() for _ in range(min(calls, 500))]
    environment.reset(seed=SEED)

    def run() -> Timed:
        observations, ends = None, 0
        start = time.perf_counter()
        for call in range(calls):
            observations, _, terminated, truncated, _ = environment.step(actions[call % len(actions)])
            if call % 50 == 0:
                ends += int(np.sum(terminated) + np.sum(truncated))
        seconds = time.perf_counter() - start
        return Timed(seconds * size / (calls * environment.num_envs),
                     {"environments": environment.num_envs, "observation": list(np.shape(observations)[1:]), "some ends": ends,
                      "finite": bool(np.isfinite(observations).all())})

    return run


def algobot(size: int, count: int, threads: int) -> Callable[[], Timed]:
    """Our vector environment as it comes, an option on an index."""
    import numpy as np
    from markets import market

    from algobot.market.bars import Bars
    from algobot.market.instruments import Instrument, InstrumentType
    from algobot.simulation.vector_env import Market, TradingVectorEnv

    timestamps = np.datetime64("2000-01-01", "ns") + np.arange(BARS) * np.timedelta64(60_000_000_000, "ns")
    bars = Bars(symbol="WALK", timeframe="1m", timestamps=timestamps, **market(BARS))
    instrument = Instrument(symbol="WALK_OPTION", underlying="WALK", type=InstrumentType.OPTION, lot_size=100, tick_size=0.01)
    return play(TradingVectorEnv([Market(bars, instrument)], count, threads=threads), size, max(200, min(10_000, 500_000 // count)))


def make_peer() -> Any:
    """One gym-trading-env with fees, interest, shorting, and the five features of its documentation's first example."""
    import warnings

    from gym_trading_env.environments import TradingEnv

    warnings.resetwarnings()  # importing it turns every warning of the process into an error
    warnings.simplefilter("ignore")
    data = frame()
    data["feature_close"] = data.close.pct_change().fillna(0)
    data["feature_open"] = data.open / data.close
    data["feature_high"] = data.high / data.close
    data["feature_low"] = data.low / data.close
    data["feature_volume"] = data.volume / data.volume.rolling(168, min_periods=1).max()
    return TradingEnv(df=data, positions=[-1, 0, 1], trading_fees=1e-4, borrow_interest_rate=3e-6, verbose=0, max_episode_duration=256)


def gym_trading_env(size: int, asynchronous: bool) -> Callable[[], Timed]:
    """`PEER_ENVS` of them in one of Gymnasium's vector environments."""
    import gymnasium

    makers = [make_peer] * PEER_ENVS
    if asynchronous:
        return play(gymnasium.vector.AsyncVectorEnv(makers, context="fork"), size, 400)
    return play(gymnasium.vector.SyncVectorEnv(makers), size, 800)


def bytes_of_a_step() -> int:
    """What a step of ours reads and writes: records, rows of the tables, and everything that it gives back."""
    from algobot.simulation.environment_step import ENVIRONMENT_DTYPE, OUTPUT_COLUMNS, PRICE_COLUMNS
    from algobot.simulation.trading_env import TradingEnvSettings, action_names, observation_names
    from algobot.simulation.vector_env import WHOLE_COLUMNS

    settings = TradingEnvSettings()
    features, actions = 4 * len(observation_names(settings)), len(action_names(settings.max_quantity))
    tables = features + 2 * 8 * len(PRICE_COLUMNS)                                        # about: an observation holds the features and eleven numbers
    results = features + 8 * len(OUTPUT_COLUMNS) + actions + 8 + 2 + 8 * len(WHOLE_COLUMNS)  # mask, reward and ends of bytes, whole numbers
    return 2 * ENVIRONMENT_DTYPE.itemsize + tables + results + 8                            # the action


def copy_bytes(size: int, count: int, threads: int) -> Callable[[], Timed]:
    """As many bytes as a step reads and writes, read and written by copies, on some threads."""
    import threading
    import time

    import numpy as np

    touched, times = bytes_of_a_step(), 200
    halves = [[np.ones(count * touched // (16 * threads)) for _ in range(2)] for _ in range(threads)]  # half of the bytes are read, half are written

    def copy(source: Any, goal: Any) -> None:
        for _ in range(times):
            np.copyto(goal, source)

    def run() -> Timed:
        helpers = [threading.Thread(target=copy, args=pair) for pair in halves[1:]]
        start = time.perf_counter()
        for helper in helpers:
            helper.start()
        copy(*halves[0])
        for helper in helpers:
            helper.join()
        return Timed((time.perf_counter() - start) * size / (times * count), {"bytes per step": touched, "finite": True})

    return run


def check(outcomes: dict[str, Any]) -> None:
    """Observations that are numbers."""
    for name, one in outcomes.items():
        if not one["finite"]:
            raise BenchmarkError(f"{name}: {one}")


THREADS = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
OURS = f"algobot, {MANY:,} environments, {THREADS} threads"

ONE_THREAD = f"algobot, {MANY:,} environments, 1 thread"
SYNC, ASYNC = f"gym-trading-env, SyncVectorEnv of {PEER_ENVS}", f"gym-trading-env, AsyncVectorEnv of {PEER_ENVS}"
MEMORY = f"memory alone, {THREADS} threads"

VECTOR = Benchmark(
    name="vector-env", unit="steps/s", size=1_000_000, quick_size=100_000, check=check,
    sides=(
        Side(OURS, lambda size: algobot(size, MANY, THREADS), threads=THREADS),
        Side(ONE_THREAD, lambda size: algobot(size, MANY, 1)),
        Side(SYNC, lambda size: gym_trading_env(size, False), "peers"),
        Side(ASYNC, lambda size: gym_trading_env(size, True), "peers"),
        Side(MEMORY, lambda size: copy_bytes(size, MANY, THREADS), threads=THREADS),
    ),
    rows=(
        Row("vector-env", OURS, ONE_THREAD, target=15_000_000, target_on="ours", note="the peer: the same with one thread"),
        Row("vector-env-sync", OURS, SYNC, target=500.0),
        Row("vector-env-async", OURS, ASYNC, target=2_500.0, note="the peer has a process for each environment"),
        Row("vector-env-memory", OURS, MEMORY, note="a copy of the bytes that a step touches: the distance from the speed of memory"),
    ),
)

COUNTS = Benchmark(
    name="vector-env-count", unit="steps/s", size=1_000_000, quick_size=100_000, check=check,
    sides=tuple(Side(f"algobot, N = {count:,}, 1 thread", lambda size, count=count: algobot(size, count, 1)) for count in CURVE),
    rows=tuple(Row(f"vector-env-count-{count}", f"algobot, N = {count:,}, 1 thread", f"algobot, N = {CURVE[0]:,}, 1 thread",
                   note="how much cheaper a step is than with one environment") for count in CURVE[1:]),
)
