"""PPO end to end: ours on `TradingVectorEnv` against Stable-Baselines3 and RLlib on gym-trading-env; and the time until a market with a planted signal is solved.

**ppo**: environment steps per second of whole iterations (play, advantages, four epochs of gradient steps), two hidden layers of 64 units for actor and critic
each, on the same 100,000 random-walk bars. Each side plays its own number of steps a call and gives the seconds of `size` steps at that rate. Ours runs in 512
environments and sees 19 features and 11 numbers of its account; the peers run in 8 environments and see 5 features and 2 numbers. Every side has one thread; RLlib's
one runner is a process of its own beside the learner's, as it is meant to be used.

"matrix products alone" is the limit: the floating-point operations of ours at the rate of a product of two 1,024 x 1,024 matrices.

**ppo-solve**: bars whose return goes on in the same direction with probability 0.6, so that the sign of the last return says what to hold. Each side trains from new
weights until its greedy policy earns 95 % of what the rule "hold in the direction of the last bar" earns on other bars; what the examination takes is not counted. Every round has
another seed. A fast simulator wants other settings than a slow one: ours plays many environments and looks at each transition once; SB3 looks at each four times. So each side has
the quickest settings of those that were tried for it, of which there were more for ours (see `SETTINGS`); a row has ours with SB3's settings, and one has SB3's own defaults.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bench_vector_env import make_peer
from harness import FOLDER, Benchmark, BenchmarkError, Row, Side, Timed

BARS = 100_000
MINIBATCH, EPOCHS, HIDDEN = 2_048, 4, (64, 64)
OUR_ENVS, OUR_STEPS = 512, 64
PEER_ENVS, PEER_STEPS = 8, 512


def our_env(count: int, threads: int) -> Any:
    """Our vector environment as it comes, an option on an index."""
    import numpy as np
    from markets import market

    from algobot.market.bars import Bars
    from algobot.market.instruments import Instrument, InstrumentType
    from algobot.simulation.vector_env import Market, TradingVectorEnv

    timestamps = np.datetime64("2000-01-01", "ns") + np.arange(BARS) * np.timedelta64(60_000_000_000, "ns")
    bars = Bars(symbol="WALK", timeframe="1m", timestamps=timestamps, **market(BARS))
    instrument = Instrument(symbol="WALK_OPTION", underlying="WALK", type=InstrumentType.OPTION, lot_size=100, tick_size=0.01)
    return TradingVectorEnv([Market(bars, instrument)], count, threads=threads)


def shares_of_time(iteration: Callable[[], Any], env: Any) -> dict[str, float]:
    """What share of an iteration each of its parts takes, by a watch around the functions that it calls."""
    import time
    from collections import Counter
    from contextlib import ExitStack
    from unittest import mock

    import torch

    from algobot.agents import ppo
    from algobot.agents.batches import Batch

    spent: Counter[str] = Counter()

    def watched(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            start = time.perf_counter()
            result = function(*arguments, **named)
            spent[name] += time.perf_counter() - start
            return result
        return call

    places = [(env, "step", "environment"), (ppo, "collect_rollout", "rollout"), (ppo, "advantages_of", "advantages"), (ppo, "make_batch", "advantages"), (Batch, "take", "minibatch"),
              (Batch, "evaluate", "forward"), (ppo, "ppo_loss", "loss"), (torch.Tensor, "backward", "backward"), (torch.nn.utils, "clip_grad_norm_", "gradient norm"),
              (torch.optim.Adam, "step", "Adam"), (ppo, "train_once", "all")]
    with ExitStack() as stack:
        for owner, attribute, name in places:
            stack.enter_context(mock.patch.object(owner, attribute, watched(name, getattr(owner, attribute))))
        for _ in range(3):
            iteration()
    total, rollout = spent.pop("all"), spent.pop("rollout")
    spent["policy"] = rollout - spent["environment"]
    spent["rest"] = total - sum(spent.values())
    return {name: round(seconds / total, 3) for name, seconds in spent.items()}


def ours(size: int, threads: int) -> Callable[[], Timed]:
    """Iterations of `train_once`; the outcome says where their time went."""
    import time

    from algobot.agents import ppo
    from algobot.agents.ppo import PPOSettings, start_training
    from algobot.foundation.hardware import set_threads

    set_threads(threads)
    env = our_env(OUR_ENVS, threads)
    settings = PPOSettings(total_steps=10**9, num_steps=OUR_STEPS, minibatch_size=MINIBATCH, epochs=EPOCHS, hidden_sizes=HIDDEN, device="cpu")
    state = start_training(env, settings, None)
    iterations = max(1, size // (OUR_ENVS * OUR_STEPS))
    ppo.train_once(env, state, settings)
    shares = shares_of_time(lambda: ppo.train_once(env, state, settings), env)

    def run() -> Timed:
        start, before = time.perf_counter(), state.steps
        for _ in range(iterations):
            diagnostics = ppo.train_once(env, state, settings)
        seconds = time.perf_counter() - start
        return Timed(seconds * size / (state.steps - before), {"environments": OUR_ENVS, "loss": diagnostics["value_loss"],
                                                                    "parameters": sum(p.numel() for p in state.policy.parameters()), "shares": shares})

    return run


def operations_per_step(observation: int, actions: int) -> float:
    """Floating-point operations in matrix products of one environment step: played once, judged once, learned from in every epoch."""
    sizes = [(observation, HIDDEN[0]), (HIDDEN[0], HIDDEN[1])]
    hidden = sum(2.0 * inputs * outputs for inputs, outputs in sizes)
    forward = {"actor": hidden + 2.0 * HIDDEN[1] * actions, "critic": hidden + 2.0 * HIDDEN[1]}
    both = sum(forward.values())
    # backward: products with the weights' and with the inputs' gradient, the latter not for the observations
    backward = 2 * both - 2 * 2.0 * observation * HIDDEN[0]
    return both + EPOCHS * (both + backward)


def matrix_products(size: int) -> Callable[[], Timed]:
    """As many floating-point operations, in large products."""
    import time

    import torch

    from algobot.foundation.hardware import set_threads

    set_threads(1)
    env, side = our_env(1, 1), 1_024
    needed = operations_per_step(env.single_observation_space.shape[0], int(env.single_action_space.n))
    left, right, out = (torch.randn(side, side) for _ in range(3))

    def run() -> Timed:
        start = time.perf_counter()
        for _ in range(20):
            torch.mm(left, right, out=out)
        rate = 20 * 2.0 * side**3 / (time.perf_counter() - start)
        return Timed(size * needed / rate, {"operations per step": needed, "operations/s": float(f"{rate:.3g}"), "loss": 0.0})

    return run


def stable_baselines(size: int, defaults: bool) -> Callable[[], Timed]:
    """Stable-Baselines3's PPO on gym-trading-env; its own defaults, or our minibatches and epochs."""
    import time

    import torch
    from stable_baselines3 import PPO
    from stable_baselines3.common.vec_env import DummyVecEnv

    torch.set_num_threads(1)
    choice: dict[str, Any] = {} if defaults else {"n_steps": PEER_STEPS, "batch_size": MINIBATCH, "n_epochs": EPOCHS}
    learner = PPO("MlpPolicy", DummyVecEnv([make_peer] * PEER_ENVS), device="cpu", seed=0, **choice)
    steps = learner.n_steps * PEER_ENVS

    def run() -> Timed:
        start, before = time.perf_counter(), learner.num_timesteps
        learner.learn(steps, reset_num_timesteps=False)
        seconds = time.perf_counter() - start
        return Timed(seconds * size / (learner.num_timesteps - before), {"environments": PEER_ENVS, "loss": float(learner.logger.name_to_value.get("train/value_loss", 0.0)),
                                                                         "parameters": sum(p.numel() for p in learner.policy.parameters())})

    return run


def rllib(size: int) -> Callable[[], Timed]:
    """RLlib's PPO with one runner of 8 environments, and our minibatches and epochs."""
    import logging
    import os
    import time

    import ray
    from ray.rllib.algorithms.ppo import PPOConfig
    from ray.rllib.core.rl_module.default_model_config import DefaultModelConfig
    from ray.tune.registry import register_env

    os.environ["PYTHONPATH"] = str(FOLDER)  # where the runner's process finds this file
    ray.init(address="local", num_cpus=2, include_dashboard=False, logging_level=logging.ERROR, log_to_driver=False, object_store_memory=500_000_000)
    register_env("peer", lambda _: make_peer())
    steps = PEER_ENVS * PEER_STEPS
    config = (PPOConfig().environment("peer").env_runners(num_env_runners=1, num_envs_per_env_runner=PEER_ENVS, rollout_fragment_length=PEER_STEPS)
              .training(train_batch_size_per_learner=steps, minibatch_size=MINIBATCH, num_epochs=EPOCHS).learners(num_learners=0)
              .rl_module(model_config=DefaultModelConfig(fcnet_hiddens=list(HIDDEN), fcnet_activation="tanh", vf_share_layers=False)).debugging(log_level="ERROR"))
    algorithm = config.build_algo()

    def run() -> Timed:
        start = time.perf_counter()
        result = algorithm.train()
        seconds = time.perf_counter() - start
        sampled = int(result["env_runners"]["num_env_steps_sampled"])
        return Timed(seconds * size / sampled, {"environments": PEER_ENVS, "loss": float(result["learners"]["default_policy"]["vf_loss"]),
                                                "parameters": sum(p.numel() for p in algorithm.get_module().parameters())})

    return run


def check_learning(outcomes: dict[str, Any]) -> None:
    """Losses that are numbers."""
    for name, one in outcomes.items():
        if not abs(one["loss"]) < 1e12:
            raise BenchmarkError(f"{name}: {one}")


OURS = f"algobot, {OUR_ENVS} environments"
SB3 = f"Stable-Baselines3, {PEER_ENVS} gym-trading-env, minibatches of {MINIBATCH:,}"
SB3_DEFAULTS = f"Stable-Baselines3 with its defaults, {PEER_ENVS} gym-trading-env"
RLLIB = f"RLlib, one runner of {PEER_ENVS} gym-trading-env, minibatches of {MINIBATCH:,}"

SPEED = Benchmark(
    name="ppo", unit="steps/s", size=65_536, quick_size=32_768, check=check_learning,
    sides=(
        Side(OURS, lambda size: ours(size, 1)),
        Side("matrix products alone", matrix_products),
        Side(SB3, lambda size: stable_baselines(size, False), "peers-rl"),
        Side(SB3_DEFAULTS, lambda size: stable_baselines(size, True), "peers-rl"),
        Side(RLLIB, rllib, "peers-rl"),
    ),
    rows=(
        Row("ppo-sb3", OURS, SB3, target=2.5, note="the same epochs and minibatches"),
        Row("ppo-sb3-defaults", OURS, SB3_DEFAULTS, target=8.0, note="theirs: 10 epochs with minibatches of 64; ours as in ppo-sb3"),
        Row("ppo-rllib", OURS, RLLIB, target=10.0, note="the runner is a process of its own"),
        Row("ppo-limit", OURS, "matrix products alone", note="the distance from the processor's rate of float32 operations"),
    ),
)

THREADS = Benchmark(
    name="ppo-threads", unit="steps/s", size=65_536, quick_size=32_768, check=check_learning,
    sides=(Side(f"{OURS}, 2 threads", lambda size: ours(size, 2), threads=2), Side(OURS, lambda size: ours(size, 1))),
    rows=(Row("ppo-threads", f"{OURS}, 2 threads", OURS, note="matrices this small gain little from a second thread"),),
)


# ---- until a planted signal is found -------------------------------------------------------------------------------------------

SIGNAL_BARS = 20_000
GOES_ON, MOVE, NOISE = 0.6, 2e-3, 5e-4      # probability that the direction stays, size of a move, noise on it
EXAM_ENVS, EXAM_STEPS = 32, 60
SOLVED = 0.95
GAMMA = 0.5                                  # what a bar's position earns is known a bar later
# Environments, steps of each between two updates, minibatch, learning rate, epochs. Tried for ours: about 20 combinations of 32 to 512 environments with rollouts of 512 to 8,192,
# minibatches of 256 to 2,048, rates of 1e-3 to 1e-2, 1 to 4 epochs. For SB3, which takes longer to try: rollouts of 1,024 from 8 environments, 4 epochs, 1e-3, minibatches of 256 and 512.
SETTINGS: dict[str, tuple[int, int, int, float, int]] = {"ours": (256, 4, 256, 3e-3, 1), "peer": (PEER_ENVS, 128, 512, 1e-3, 4), "ours as peer": (64, 16, 512, 1e-3, 4)}
MOST_STEPS = 1_000_000


def planted(seed: int) -> dict[str, Any]:
    """Bars whose direction goes on."""
    import numpy as np

    generator = np.random.default_rng(seed)
    turns = np.where(generator.random(SIGNAL_BARS) < GOES_ON, 1.0, -1.0)
    returns = np.cumprod(turns) * MOVE + generator.normal(0, NOISE, SIGNAL_BARS)
    close = 100 * np.exp(np.cumsum(returns))
    opening = np.concatenate([[100.0], close[:-1]])
    return {"open": opening, "high": np.maximum(opening, close), "low": np.minimum(opening, close), "close": close, "volume": np.full(SIGNAL_BARS, 1e4)}


def planted_env(seed: int, count: int, length: int) -> Any:
    """Ours on a planted market: a fifth of the account in the asset, long or short, filled at the close, no fees."""
    import numpy as np

    from algobot.market.bars import Bars
    from algobot.market.instruments import Instrument, InstrumentType
    from algobot.simulation.accounts import EngineSettings
    from algobot.simulation.rewards import RewardSettings
    from algobot.simulation.trading_env import TradingEnvSettings
    from algobot.simulation.vector_env import Market, TradingVectorEnv

    timestamps = np.datetime64("2000-01-01", "ns") + np.arange(SIGNAL_BARS) * np.timedelta64(60_000_000_000, "ns")
    bars = Bars(symbol="SIGNAL", timeframe="1m", timestamps=timestamps, **planted(seed))
    rules = TradingEnvSettings(engine=EngineSettings(brokerage=0.0, fill="close"), reward=RewardSettings(scale=500.0, overtrading=0.0, early_close=0.0), max_quantity=1, episode_length=length)
    return TradingVectorEnv([Market(bars, Instrument(symbol="SIGNAL", type=InstrumentType.STOCK, lot_size=200, tick_size=0.01))], count, rules)


def our_exam() -> Callable[[Any], float]:
    """A function that examines a policy: its growth as a share of the rule's, on bars that it was not trained on."""
    import numpy as np
    import torch

    env = planted_env(10_001, EXAM_ENVS, EXAM_STEPS)
    closes = env.markets[0].bars.close

    def growth(choose: Callable[[np.ndarray, dict[str, Any]], np.ndarray]) -> float:
        observation, info = env.reset(seed=7)
        start = info["equity"].copy()
        for _ in range(EXAM_STEPS):
            observation, _, _, _, info = env.step(choose(observation, info))
        return float(np.log(info["equity"] / start).mean())

    def rule(observation: np.ndarray, info: dict[str, Any]) -> np.ndarray:
        up = closes[info["bar"]] > closes[info["bar"] - 1]
        return np.where(up, env.action_names.index("LONG 1"), env.action_names.index("SHORT 1"))

    best = growth(rule)

    def exam(policy: Any) -> float:
        with torch.no_grad():
            return growth(lambda observation, info: policy.log_probs(torch.from_numpy(observation), torch.from_numpy(info["action_mask"] != 0)).argmax(-1).numpy()) / best

    return exam


def solve_ours(choice: str) -> Callable[[], Timed]:
    """Ours."""
    import time

    from algobot.agents.ppo import PPOSettings, train_ppo

    exam, seeds = our_exam(), iter(range(1_000))
    count, steps, minibatch, rate, epochs = SETTINGS[choice]

    def run() -> Timed:
        seed, spent, scores = next(seeds), 0.0, []
        env = planted_env(seed, count, 256)
        settings = PPOSettings(total_steps=MOST_STEPS, num_steps=steps, minibatch_size=minibatch, learning_rate=rate, epochs=epochs, gamma=GAMMA, entropy_coefficient=0.0,
                               hidden_sizes=HIDDEN, schedule="constant", seed=seed, device="cpu")

        def examine(steps: int, policy: Any) -> bool:
            nonlocal spent
            begin = time.perf_counter()
            scores.append((steps, exam(policy)))
            spent += time.perf_counter() - begin
            return scores[-1][1] >= SOLVED

        start = time.perf_counter()
        train_ppo(env, settings, progress=False, on_update=examine)
        return Timed(time.perf_counter() - start - spent, {"steps": scores[-1][0], "score": round(scores[-1][1], 3)})

    return run


def planted_peer(seed: int, length: int) -> Any:
    """gym-trading-env on the same bars: 19 features of the kinds that ours has, scaled as ours are, the reward in percent, no fees."""
    import warnings

    import numpy as np
    import pandas as pd
    from gym_trading_env.environments import TradingEnv

    warnings.resetwarnings()  # importing it turns every warning of the process into an error
    warnings.simplefilter("ignore")
    data = pd.DataFrame(planted(seed), index=pd.date_range("2000-01-01", periods=SIGNAL_BARS, freq="min"))
    logs, one = np.log(data.close), np.log(data.close).diff()
    columns = {f"return_{horizon}": logs.diff(horizon) for horizon in (1, 2, 5, 10, 21, 63)}
    columns |= {f"volatility_{window}": one.rolling(window).std() for window in (10, 21, 63)}
    columns |= {f"distance_{window}": logs - logs.rolling(window).mean() for window in (5, 10, 21, 63)}
    columns |= {f"place_{window}": (logs - logs.rolling(window).min()) / (logs.rolling(window).max() - logs.rolling(window).min()) for window in (10, 21, 63)}
    columns |= {f"range_{window}": (data.high - data.low).rolling(window).mean() / data.close for window in (1, 5, 14)}
    for name, values in columns.items():
        data[f"feature_{name}"] = ((values - values.mean()) / values.std()).fillna(0).clip(-5, 5)
    return TradingEnv(df=data, positions=[-1, 0, 1], verbose=0, initial_position=0, max_episode_duration=length,
                      reward_function=lambda history: 100 * np.log(history["portfolio_valuation", -1] / history["portfolio_valuation", -2]))


def peer_exam() -> Callable[[Any], float]:
    """The same examination in gym-trading-env."""
    import numpy as np
    from stable_baselines3.common.vec_env import DummyVecEnv

    env = DummyVecEnv([lambda: planted_peer(10_001, EXAM_STEPS)] * EXAM_ENVS)

    def growth(choose: Callable[[np.ndarray], np.ndarray]) -> float:
        np.random.seed(7)  # noqa: NPY002  where the peer's episodes begin
        observation, total = env.reset(), 0.0
        for _ in range(EXAM_STEPS - 2):
            observation, rewards, _, _ = env.step(choose(observation))
            total += float(rewards.mean())
        return total

    best = growth(lambda observation: np.where(observation[:, 0] > 0, 2, 0))
    return lambda learner: growth(lambda observation: learner.predict(observation, deterministic=True)[0]) / best


def solve_stable_baselines(size: int, defaults: bool) -> Callable[[], Timed]:
    """Stable-Baselines3 in 8 environments; its defaults but for the discount, or what was quickest for it."""
    import time

    import numpy as np
    import torch
    from stable_baselines3 import PPO
    from stable_baselines3.common.vec_env import DummyVecEnv

    torch.set_num_threads(1)
    exam, seeds = peer_exam(), iter(range(1_000))
    count, steps, minibatch, rate, epochs = SETTINGS["peer"]
    choice: dict[str, Any] = {} if defaults else {"n_steps": steps, "batch_size": minibatch, "n_epochs": epochs, "learning_rate": rate}

    def run() -> Timed:
        seed, spent, score = next(seeds), 0.0, 0.0
        env = DummyVecEnv([lambda: planted_peer(seed, 256)] * count)
        start = time.perf_counter()
        learner = PPO("MlpPolicy", env, device="cpu", seed=seed, gamma=GAMMA, **choice)
        while score < SOLVED and learner.num_timesteps < MOST_STEPS:
            learner.learn(learner.n_steps * count, reset_num_timesteps=False)
            begin = time.perf_counter()
            chance = np.random.get_state()  # noqa: NPY002  the examination must not disturb the training
            score = exam(learner)
            np.random.set_state(chance)  # noqa: NPY002
            spent += time.perf_counter() - begin
        return Timed(time.perf_counter() - start - spent, {"steps": learner.num_timesteps, "score": round(score, 3)})

    return run


def check_solved(outcomes: dict[str, Any]) -> None:
    """Every side has found the signal."""
    for name, one in outcomes.items():
        if not one["score"] >= SOLVED:
            raise BenchmarkError(f"{name} did not solve the market: {one}")


SOLVER, SOLVER_AS_PEER = "algobot, 256 environments, one epoch", "algobot, 64 environments, SB3's settings"
SB3_SOLVER, SB3_SOLVER_DEFAULTS = f"Stable-Baselines3, {PEER_ENVS} gym-trading-env", f"Stable-Baselines3, {PEER_ENVS} gym-trading-env, its defaults"

SOLVE = Benchmark(
    name="ppo-solve", unit="s", size=1, quick_size=1, per_second=False, check=check_solved,
    sides=(
        Side(SOLVER, lambda size: solve_ours("ours")),
        Side(SOLVER_AS_PEER, lambda size: solve_ours("ours as peer")),
        Side(SB3_SOLVER, lambda size: solve_stable_baselines(size, False), "peers-rl"),
        Side(SB3_SOLVER_DEFAULTS, lambda size: solve_stable_baselines(size, True), "peers-rl"),
    ),
    rows=(
        Row("ppo-solve", SOLVER, SB3_SOLVER, target=5.0, note="each with the settings that were quickest for it"),
        Row("ppo-solve-same", SOLVER_AS_PEER, SB3_SOLVER, note="the same learning rate, transitions between updates, minibatches and epochs"),
        Row("ppo-solve-defaults", SOLVER, SB3_SOLVER_DEFAULTS, note="SB3's learning rate, steps between updates, minibatches and epochs"),
    ),
)
