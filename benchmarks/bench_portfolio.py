"""The portfolio environment in both forms; and training of the recurrent agent end to end, beside sb3-contrib's RecurrentPPO and the processor's limit.

**portfolio-env**: steps per second of 2,048 portfolios of four assets with full observations of 64 numbers, random actions, episodes of 256 days, resets included. The tensor and the
fused form do the same operations; the check compares what they computed.

**portfolio-train-N**: environment steps per second of whole iterations (play, advantages, four epochs of minibatches of 2,048 transitions) with 109,841 parameters and the memory
differentiated through N = 1, 16 or 256 days. Its peer is sb3-contrib's RecurrentPPO on the very same environment, same minibatches and epochs, an LSTM of 96 units (some 89,000 parameters,
its own kind of memory). It differentiates through its whole rollout, so that its rollouts are N days long: 2,048 portfolios for N = 1 and 16, and 64 for 256. Each side plays a
number of steps of its own a call and gives the seconds of `size` steps at that rate. "matrix products alone" is the limit: 2.83 million floating-point operations a step (one forward
pass when playing; forward and backward, three times that, in each of four epochs) at the rate of a product of two 2,048 x 2,048 matrices. "its defaults" is RecurrentPPO as it comes on one
gym-trading-env.
"""
from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from bench_vector_env import make_peer
from harness import Benchmark, BenchmarkError, Row, Side, Timed

PORTFOLIOS, DAYS, EPISODE = 2_048, 1_300, 256
FLOPS = 2 * (64 * 128 + 6 * 128 * 128 + 128 * 17) * (1 + 4 * 3)   # of a step: multiply and add; playing once, four epochs of forward and backward
THREADS = min(2, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


def make_env(count: int, form: str = "auto", threads: int = 1) -> Any:
    """Our environment on three random walks, with the shipped regimes."""
    import numpy as np

    from algobot.simulation.portfolio_env import PortfolioEnv
    from algobot.simulation.portfolio_market import PortfolioMarket
    from algobot.simulation.portfolio_regimes import load_regimes

    closes = 100 * np.exp(np.cumsum(np.random.default_rng(0).normal(0, 0.01, (DAYS, 3)), axis=0))
    days = np.datetime64("2000-01-01", "ns") + np.arange(DAYS) * np.timedelta64(86_400_000_000_000, "ns")
    return PortfolioEnv(PortfolioMarket(("SPY", "QQQ", "IWM"), "1d", days, closes), load_regimes(), count, form=form, threads=threads)  # type: ignore[arg-type]


def play(size: int, form: str, threads: int = THREADS) -> Callable[[], Timed]:
    """One episode of all portfolios."""
    import time

    import torch

    torch.set_num_threads(threads if form == "tensor" else 1)
    env, actions = make_env(PORTFOLIOS, form, threads), torch.randint(0, 16, (EPISODE, PORTFOLIOS), generator=torch.Generator().manual_seed(1))

    def run() -> Timed:
        env.generator.manual_seed(0)
        start = time.perf_counter()
        env.reset()
        for chosen in actions:
            env.step(chosen)
        seconds = time.perf_counter() - start
        return Timed(seconds * size / (EPISODE * PORTFOLIOS), {"value": float(env.values.sum()), "observations": float(env.observations.double().sum())})

    return run


def train(size: int, length: int, precision: str = "float32") -> Callable[[], Timed]:
    """Whole iterations of ours."""
    import tempfile
    import time

    from algobot.agents.recurrent import RecurrentActorCritic
    from algobot.foundation.hardware import limited_threads
    from algobot.training.portfolio import load_portfolio_run
    from algobot.training.portfolio_training import PortfolioRollouts, start_portfolio_training, train_portfolio_once

    days, count = (256, 256) if length == 256 else (32, PORTFOLIOS)
    settings = load_portfolio_run()
    agent = settings.agent.model_copy(update={"num_steps": days, "sequence_length": length, "device": "cpu", "precision": precision})
    with tempfile.TemporaryDirectory() as cache:
        training = start_portfolio_training(settings.model_copy(update={"agent": agent, "num_envs": count, "cache": cache}), 0)
    training.rollouts = PortfolioRollouts(make_env(count), training.policy, days, settings.reward_scale)
    assert isinstance(training.policy, RecurrentActorCritic)

    def run() -> Timed:
        training.steps = 0
        with limited_threads(THREADS):
            start = time.perf_counter()
            train_portfolio_once(training)
            seconds = time.perf_counter() - start
        return Timed(seconds * size / (days * count), {"parameters": sum(one.numel() for one in training.policy.parameters()), "length": length})

    return run


def sb3_env(count: int) -> Any:
    """Our environment as Stable-Baselines3 wants it."""
    import numpy as np
    import torch
    from stable_baselines3.common.vec_env import VecEnv

    class Portfolios(VecEnv):  # type: ignore[misc]
        """Observations and rewards of all portfolios; the next episodes begin in the step that ends the last ones."""

        def __init__(self) -> None:
            self.env = make_env(count)
            super().__init__(count, self.env.single_observation_space, self.env.single_action_space)

        def reset(self) -> Any:
            return self.env.reset().numpy().copy()

        def step_async(self, actions: Any) -> None:
            self.chosen = torch.from_numpy(np.asarray(actions, np.int64))

        def step_wait(self) -> Any:
            seen, rewards, done = self.env.step(self.chosen)
            seen, rewards, infos = seen.numpy().copy(), rewards.numpy().astype(np.float32), [{} for _ in range(count)]
            if done:
                infos = [{"terminal_observation": last, "TimeLimit.truncated": True} for last in seen]
                seen = self.reset()
            return seen, rewards, np.full(count, done), infos

        def close(self) -> None: ...
        def get_attr(self, name: str, indices: Any = None) -> Any: return [None] * count
        def set_attr(self, name: str, value: Any, indices: Any = None) -> None: ...
        def env_method(self, name: str, *arguments: Any, indices: Any = None, **named: Any) -> Any: return [None] * count
        def env_is_wrapped(self, wrapper: Any, indices: Any = None) -> Any: return [False] * count

    return Portfolios()


def recurrent_ppo(size: int, length: int) -> Callable[[], Timed]:
    """sb3-contrib on our environment; length 0: its defaults on one gym-trading-env."""
    import time

    import torch
    from sb3_contrib import RecurrentPPO

    torch.set_num_threads(THREADS)
    if length:
        count = 64 if length == 256 else PORTFOLIOS
        kwargs: dict[str, Any] = {"net_arch": [128], "lstm_hidden_size": 96, "shared_lstm": True, "enable_critic_lstm": False}
        model = RecurrentPPO("MlpLstmPolicy", sb3_env(count), device="cpu", n_steps=length, batch_size=2_048, n_epochs=4, policy_kwargs=kwargs)
        steps = length * count * (4 if length == 1 else 1)
    else:
        model, steps = RecurrentPPO("MlpLstmPolicy", make_peer(), device="cpu"), 256
    model.learn(steps)

    def run() -> Timed:
        before = model.num_timesteps
        start = time.perf_counter()
        model.learn(steps, reset_num_timesteps=False)
        seconds = time.perf_counter() - start
        return Timed(seconds * size / (model.num_timesteps - before), {"parameters": sum(one.numel() for one in model.policy.parameters()), "length": length})

    return run


def products(size: int) -> Callable[[], Timed]:
    """The operations of `size` steps at the rate of a large matrix product."""
    import time

    import torch

    torch.set_num_threads(THREADS)
    first, second = torch.randn(2, 2_048, 2_048)

    def run() -> Timed:
        start = time.perf_counter()
        for _ in range(5):
            first @ second
        return Timed((time.perf_counter() - start) / (5 * 2 * 2_048**3) * FLOPS * size, {"flops a step": FLOPS})

    return run


def same(outcomes: dict[str, Any]) -> None:
    """Both forms hold the same portfolios, to the bit."""
    if len({str(one) for one in outcomes.values()}) > 1:
        raise BenchmarkError(f"the forms differ: {outcomes}")


TENSOR, FUSED, FUSED_ALONE = f"algobot, tensors, {THREADS} threads", f"algobot, fused, {THREADS} threads", "algobot, fused, 1 thread"
LIMIT, DEFAULTS = "matrix products alone", "sb3-contrib RecurrentPPO, its defaults, on gym-trading-env"
OURS = {length: f"algobot, length {length}" for length in (1, 16, 256)}
SB3 = {length: f"sb3-contrib RecurrentPPO, length {length}" for length in (1, 16, 256)}
HALF = "algobot, length 1, bfloat16"

ENVIRONMENT = Benchmark(
    name="portfolio-env", unit="steps/s", size=1_000_000, quick_size=100_000, check=same,
    sides=(Side(TENSOR, lambda size: play(size, "tensor"), threads=THREADS), Side(FUSED, lambda size: play(size, "fused"), threads=THREADS),
           Side(FUSED_ALONE, lambda size: play(size, "fused", 1))),
    rows=(Row("portfolio-env-tensor", TENSOR, FUSED, target=5_000_000.0, target_on="ours", note="2,048 portfolios, observations of 64 numbers"),
          Row("portfolio-env-fused", FUSED, TENSOR, target=8.0, note="the same operations, to the bit"),
          Row("portfolio-env-threads", FUSED, FUSED_ALONE, note="a step of all portfolios lasts some 40 microseconds on one thread, and handing over takes a few of them")),
)

TRAINING = Benchmark(
    name="portfolio-train", unit="steps/s", size=100_000, quick_size=10_000,
    sides=(*(Side(name, lambda size, length=length: train(size, length), threads=THREADS) for length, name in OURS.items()),
           Side(HALF, lambda size: train(size, 1, "bfloat16"), threads=THREADS),
           *(Side(name, lambda size, length=length: recurrent_ppo(size, length), threads=THREADS) for length, name in SB3.items()),
           Side(DEFAULTS, lambda size: recurrent_ppo(size, 0), "peers-rl", threads=THREADS),
           Side(LIMIT, products, threads=THREADS)),
    rows=(Row("portfolio-train-limit", OURS[1], LIMIT, target=0.5, note="2.83 million operations a step at the rate of a large product, float32"),
          Row("portfolio-train-limit-bfloat16", HALF, LIMIT, note="products of 16-bit numbers, against the limit of 32-bit ones"),
          Row("portfolio-train-limit-16", OURS[16], LIMIT, note="length 16"),
          Row("portfolio-train-1", OURS[1], SB3[1], target=1.3, note="same environment, same minibatches"),
          Row("portfolio-train-16", OURS[16], SB3[16], target=1.3, note="same environment, same minibatches"),
          Row("portfolio-train-256", OURS[256], SB3[256], target=2.0, note="same environment, same minibatches"),
          Row("portfolio-train-defaults", OURS[16], DEFAULTS, target=25.0, note="what one gets without asking for more")),
)
