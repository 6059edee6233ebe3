"""`TradingEnv.step` with random actions: our whole observation, ledger and mask against gym-trading-env and gym-anytrading.

Each side plays the same number of steps on the same 100,000 random-walk bars, with actions drawn beforehand from its own action
space. What `reset` costs stands outside the figure of "env-step-...", inside that of "env-episode-...".

What a step does differs, and ours does most: it computes the account (fees, trailing stop, options' expiry or margin), a ledger of
the reward's terms, an action mask, and an observation of all features and account state. gym-trading-env values a portfolio with
interest and returns 5 features and 2 account values. gym-anytrading does far less: a position, and a window of 10 x 2 values that
is a view of its table.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from harness import Benchmark, BenchmarkError, Row, Side, Timed

BARS = 100_000
EPISODE = 256
SEED = 1


def play(environment: Any, steps: int, count_resets: bool) -> Callable[[], Timed]:
    """A function that plays `steps` steps with actions drawn beforehand and gives the seconds they took."""
    import time

    import numpy as np

    environment.action_space.seed(SEED)
    actions = [environment.action_space.sample() for _ in range(steps)]

    def run() -> Timed:
        seconds, done, resets = 0.0, 0, 0
        environment.reset(seed=SEED)
        start = time.perf_counter()
        for action in actions:
            observation, _, terminated, truncated, _ = environment.step(action)
            done += 1
            if terminated or truncated:
                resets += 1
                if count_resets:
                    environment.reset()
                else:
                    seconds += time.perf_counter() - start
                    environment.reset()
                    start = time.perf_counter()
        seconds += time.perf_counter() - start
        return Timed(seconds, {"steps": done, "resets": resets, "observation": list(np.shape(observation)),
                               "finite": bool(np.isfinite(observation).all())})

    return run


def frame() -> Any:
    """The bars as pandas frame."""
    import pandas as pd
    from markets import market

    return pd.DataFrame(market(BARS), index=pd.date_range("2000-01-01", periods=BARS, freq="min"))


def gym_trading_env(steps: int, episode: int | None) -> Callable[[], Timed]:
    """Its environment with fees, interest, shorting, and the five features of its documentation's first example."""
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
    return play(TradingEnv(df=data, positions=[-1, 0, 1], trading_fees=1e-4, borrow_interest_rate=3e-6, verbose=0,
                           max_episode_duration="max" if episode is None else episode), steps, count_resets=episode is not None)


def gym_anytrading(steps: int) -> Callable[[], Timed]:
    """Its StocksEnv with a window of 10 bars; no fees are taken from an account, there is none."""
    from gym_anytrading.envs import StocksEnv

    data = frame().rename(columns=str.capitalize)
    return play(StocksEnv(df=data, window_size=10, frame_bound=(10, len(data))), steps, count_resets=False)


def check(outcomes: dict[str, Any]) -> None:
    """The same number of steps, and observations that are numbers."""
    for name, one in outcomes.items():
        if one["steps"] != next(iter(outcomes.values()))["steps"] or not one["finite"]:
            raise BenchmarkError(f"{name}: {one}")


def algobot(steps: int, episode: int | None) -> Callable[[], Timed]:
    """Our environment as it comes, an option on an index; no bar of the range is left out of an episode when `episode` is None."""
    import numpy as np
    from markets import market

    from algobot.market.bars import Bars
    from algobot.market.instruments import Instrument, InstrumentType
    from algobot.simulation.trading_env import TradingEnv, TradingEnvSettings

    prices = market(BARS)
    timestamps = np.datetime64("2000-01-01", "ns") + np.arange(BARS) * np.timedelta64(60_000_000_000, "ns")
    bars = Bars(symbol="WALK", timeframe="1m", timestamps=timestamps, **prices)
    instrument = Instrument(symbol="WALK_OPTION", underlying="WALK", type=InstrumentType.OPTION, lot_size=100, tick_size=0.01)
    return play(TradingEnv(bars, instrument, TradingEnvSettings(episode_length=episode)), steps, count_resets=episode is not None)


STEPS = Benchmark(
    name="env-step", unit="steps/s", size=30_000, quick_size=5_000, check=check,
    sides=(
        Side("algobot", lambda steps: algobot(steps, None)),
        Side("gym-trading-env", lambda steps: gym_trading_env(steps, None), "peers"),
        Side("gym-anytrading", gym_anytrading, "peers"),
    ),
    rows=(
        Row("env-step-gym-trading-env", "algobot", "gym-trading-env", target=5.0),
        Row("env-step-gym-anytrading", "algobot", "gym-anytrading", target=1.2, note="does far less in a step"),
    ),
)

EPISODES = Benchmark(
    name="env-episode", unit="steps/s", size=15_000, quick_size=5_000, check=check,
    sides=(
        Side("algobot, 256-step episodes", lambda steps: algobot(steps, EPISODE)),
        Side("gym-trading-env, 256-step episodes", lambda steps: gym_trading_env(steps, EPISODE), "peers"),
    ),
    rows=(Row("env-episode-gym-trading-env", "algobot, 256-step episodes", "gym-trading-env, 256-step episodes", note="resets included"),),
)
