"""Proof at size: a store of hundreds of tasks and tens of millions of bars, and the memory that a training epoch over it takes.

    python benchmarks/store_at_size.py                                      200 symbols x 5 timeframes, 50 million bars: about 13 GB of disk, half an hour
    python benchmarks/store_at_size.py --rows 1000000 --symbols 10          a small one
    python benchmarks/store_at_size.py --folder store make                  one stage: make, map, epoch, tables, train; the store stays

Five stages, each a process of its own, so that its peak memory is its own: `make` draws synthetic markets and writes them as Parquet; `map` builds the memory maps; `epoch`
reads every bar once in chunks (returns, their mean and deviation, as fitting a scaler does), then draws episodes over all tasks, as float32 rows and as `Bars`; `tables` computes the
features of all tasks into one mapped file; `train` trains by PPO in 512 environments over all of them, as many steps as there are bars.
Peak memory is the process's largest resident set, mapped pages included. Without `--folder` the store lies in a temporary folder and is removed.
"""
from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # this checkout's algobot, installed or not

TIMEFRAMES = ("1m", "5m", "15m", "1h", "4h")
LENGTH, HISTORY, BATCH, ENVIRONMENTS = 256, 256, 256, 512


def make(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Write one synthetic market per symbol and timeframe."""
    from algobot.market.regimes import load_synthetic
    from algobot.market.store import write_bars
    from algobot.market.synthetic import market_maker

    settings, rows, timeframes = load_synthetic(), 0, TIMEFRAMES[: options.timeframes]
    length = options.rows // (options.symbols * len(timeframes))
    for number, timeframe in enumerate(timeframes):
        draw = market_maker(settings, length, timeframe)
        for symbol in range(options.symbols):
            market = draw(1000 * number + symbol, f"SYN{symbol:03d}")
            write_bars(market.bars, folder)
            rows += len(market)
    return {"rows": rows, "tasks": options.symbols * len(timeframes)}


def build_maps(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Map every task once, which builds its cache."""
    from algobot.market.store import DataLoader

    loader = DataLoader(folder)
    return {"rows": sum(len(loader.mapped(*task)) for task in loader.tasks())}


def epoch(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Every bar once in chunks, then episodes at random."""
    import numpy as np
    from algobot.market.array_cache import PAGES
    from algobot.market.store import DataLoader

    PAGES.set_limit(options.pages_mb << 20)
    loader, rows, sums = DataLoader(folder), 0, np.zeros(3)
    sampler = loader.episodes(LENGTH, history=HISTORY, weights="tasks", seed=0)
    loader.mapped(*sampler.tasks[0]).window(0, 10), sampler.rows(sampler.draw(1))  # all is imported and compiled
    before, start = peak_mb(), time.perf_counter()
    for chunk in loader.chunks(history=1, seed=0):
        returns = np.diff(np.log(chunk.bars.close))
        sums += len(returns), returns.sum(), (returns**2).sum()
        rows += len(chunk)
    chunk_seconds, start = time.perf_counter() - start, time.perf_counter()
    out, checksum = np.empty((BATCH, HISTORY + LENGTH, 5), np.float32), 0.0
    for _ in range(options.episodes // BATCH):
        drawn = sampler.draw(BATCH)
        checksum += float(sampler.rows(drawn, out)[:, -1, 3].sum())
        for which in range(0, BATCH, 16):  # some of them as an environment reads them
            bars = sampler.bars(drawn, which)
            checksum += float(bars.close[-1] + bars.high.max() + bars.volume.sum())
    mean = sums[1] / sums[0]
    return {"rows": rows, "tasks": len(sampler.tasks), "episodes": options.episodes // BATCH * BATCH, "return_mean": mean, "return_std": float(np.sqrt(sums[2] / sums[0] - mean**2)),
            "chunk_seconds": round(chunk_seconds, 2), "episode_seconds": round(time.perf_counter() - start, 2), "checksum": checksum,
            "peak_before_mb": before, "releases": PAGES.releases}


def tables(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Features and prices of all tasks, computed once into one file, as `storage: mapped` does."""
    return {"rows": sum(len(market.bars) for market in mapped_env(folder, options, 1).markets)}


def train(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """PPO over all tasks for one epoch: as many steps as there are bars, at most `--steps`."""
    from algobot.agents.ppo import PPOSettings, train_ppo
    from algobot.market.array_cache import PAGES

    PAGES.set_limit(options.pages_mb << 20)
    env = mapped_env(folder, options, ENVIRONMENTS)
    before, start = peak_mb(), time.perf_counter()
    agent = PPOSettings(total_steps=min(options.rows, options.steps), num_steps=64, minibatch_size=16_384, epochs=1, hidden_sizes=(32, 32), device="cpu")
    with tempfile.TemporaryDirectory() as run_dir:
        _, history = train_ppo(env, agent, run_dir)
    return {"rows": len(env._tables[1]), "tasks": len(env.markets), "steps": int(history[-1]["step"]), "train_seconds": round(time.perf_counter() - start, 1), "peak_before_mb": before, "releases": PAGES.releases}


def mapped_env(folder: Path, options: argparse.Namespace, count: int) -> Any:
    """Environments over every task of the store, whose bars and tables stay in files."""
    from algobot.market.array_cache import PAGES
    from algobot.market.instruments import Instrument
    from algobot.market.store import DataLoader
    from algobot.simulation.trading_env import TradingEnvSettings
    from algobot.simulation.vector_env import Market, TradingVectorEnv
    from algobot.simulation.vector_tables import map_tables

    PAGES.set_limit(options.pages_mb << 20)
    loader = DataLoader(folder)
    markets = [Market(loader.mapped(*task), Instrument(symbol=task[0], type="STOCK", lot_size=1, tick_size=0.01)) for task in loader.tasks()]
    rules = TradingEnvSettings(episode_length=LENGTH)
    return TradingVectorEnv(markets, count, rules, seed=0, tables=map_tables(markets, rules, folder / ".cache"))


STAGES: dict[str, Callable[[Path, argparse.Namespace], dict[str, Any]]] = {"make": make, "map": build_maps, "epoch": epoch, "tables": tables, "train": train}


def peak_mb() -> float:
    """The largest resident set of this process so far, mapped pages included."""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10), 1)


def disk_mb(folder: Path, cached: bool) -> float:
    """Megabytes of the Parquet files, or of what is cached beside them."""
    return round(sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and (".cache" in path.parts) == cached) / 2**20, 1)


def run_stages(folder: Path, arguments: list[str]) -> None:
    """Each stage in its own process, told on a line."""
    for stage in STAGES:
        subprocess.run([sys.executable, __file__, *arguments, "--folder", str(folder), stage], check=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    print(json.dumps({"parquet_mb": disk_mb(folder, False), "maps_mb": disk_mb(folder, True)}), flush=True)


def main() -> None:
    """Run a stage, or all of them in turn; one line of JSON each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stage", nargs="?", choices=tuple(STAGES), help="one stage; without it all of them")
    parser.add_argument("--rows", type=int, default=50_000_000, help="bars in all (default: 50,000,000)")
    parser.add_argument("--symbols", type=int, default=200, help="symbols (default: 200)")
    parser.add_argument("--timeframes", type=int, default=len(TIMEFRAMES), choices=range(1, len(TIMEFRAMES) + 1), help=f"how many of {', '.join(TIMEFRAMES)} (default: all)")
    parser.add_argument("--episodes", type=int, default=51_200, help="episodes drawn (default: 51,200)")
    parser.add_argument("--steps", type=int, default=50_000_000, help="steps that the agent trains for, at most one for each bar (default: 50,000,000)")
    parser.add_argument("--pages-mb", type=int, default=512, help="mapped pages that the epoch may keep, in MiB (default: 512)")
    parser.add_argument("--folder", type=Path, help="where the store is; it stays there")
    options = parser.parse_args()
    if options.stage and not options.folder:
        parser.error("a single stage needs --folder")
    if options.stage:
        start, processor = time.perf_counter(), time.process_time()
        result = STAGES[options.stage](options.folder, options)
        print(json.dumps({"stage": options.stage, **result, "seconds": round(time.perf_counter() - start, 1), "processor_seconds": round(time.process_time() - processor, 1),
                          "peak_mb": peak_mb()}), flush=True)
        return
    passed = [f"--{name.replace('_', '-')}={getattr(options, name)}" for name in ("rows", "symbols", "timeframes", "episodes", "steps", "pages_mb")]
    if options.folder:
        run_stages(options.folder, passed)
        return
    with tempfile.TemporaryDirectory(prefix="algobot-at-size-") as folder:
        run_stages(Path(folder), passed)


if __name__ == "__main__":
    main()
