"""RLlib on `TradingVectorEnv` against RLlib on gym-trading-env; APPO with 1, 2, 4 and 8 actors, beside what the costs of a step predict.

**rllib**: environment steps per second of whole iterations of RLlib's PPO (play, advantages, four epochs of gradient steps) with one env runner, the same network size, epochs
and minibatches, on the same 100,000 random-walk bars. Ours is the env runner and the network of `algobot.training.rllib_*` with 512 environments; the peer is RLlib's own runner with 8
environments of gym-trading-env, as in `bench_ppo.py`.

**rllib-actors**: APPO with a learner in the driver, on the demo's real bars. Actors of an asynchronous system never rest, so each side starts its own Ray inside the call and ends it
there; timed are the iterations between. The outcome holds the costs of a step as `algobot.training.rllib_scaling.measure_costs` counts them and the steps a second that they predict for the
cores of this machine.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bench_ppo import EPOCHS, HIDDEN, MINIBATCH, OUR_ENVS, OUR_STEPS, RLLIB, check_learning, our_env, rllib
from bench_vector_env import THREADS
from harness import FOLDER, Benchmark, BenchmarkError, Row, Side, Timed

COUNTS = (1, 2, 4, 8)


def make_market(count: int) -> Any:
    """`our_env` with one thread, for the actor's process."""
    return our_env(count, 1)


def ours(size: int) -> Callable[[], Timed]:
    """Iterations of RLlib's PPO with our runner, module and environment."""
    import os
    import time

    os.environ["PYTHONPATH"] = os.pathsep.join([str(FOLDER), str(FOLDER.parent)])  # where the actor's process finds this file and the package
    from algobot.agents.ppo import ActorCritic, PPOSettings
    from algobot.training.rllib_env import register_environment
    from algobot.training.rllib_settings import RllibSettings, load_rllib_run
    from algobot.training.rllib_training import build_algorithm, ray_session

    shipped = load_rllib_run(str(FOLDER.parent / "config" / "rllib_ppo.yaml"))
    agent = PPOSettings(total_steps=10**9, num_steps=OUR_STEPS, minibatch_size=MINIBATCH, epochs=EPOCHS, hidden_sizes=HIDDEN, device="cpu")
    run = shipped.model_copy(update={"num_envs": OUR_ENVS, "agent": agent, "rllib": RllibSettings(algorithm="PPO", env_runners=1)})
    session = ray_session(run.rllib)
    session.__enter__()  # as long as this process lives
    env = our_env(1, 1)
    policy = ActorCritic(len(env.observation_names), len(env.action_names), HIDDEN, seed=0)
    algorithm = build_algorithm(run, policy, 0, register_environment(make_market, "benchmark"))

    def play() -> Timed:
        start = time.perf_counter()
        result = algorithm.train()
        seconds = time.perf_counter() - start
        sampled = int(result["env_runners"]["num_env_steps_sampled"])
        return Timed(seconds * size / sampled, {"environments": OUR_ENVS, "loss": float(result["learners"]["default_policy"]["vf_loss"]),
                                                "parameters": sum(p.numel() for p in policy.parameters()), "session": bool(session)})

    return play


def actors(size: int, count: int) -> Callable[[], Timed]:
    """APPO with some actors, begun and ended within the call."""
    import os
    import tempfile
    import time

    os.environ["PYTHONPATH"] = str(FOLDER.parent)
    from algobot.training.rllib_scaling import measure_costs, throughput
    from algobot.training.rllib_settings import load_rllib_run
    from algobot.training.rllib_training import RllibTraining, ray_session

    os.chdir(FOLDER.parent)
    shipped = load_rllib_run("config/rllib_appo.yaml")
    run = shipped.model_copy(update={"rllib": shipped.rllib.model_copy(update={"env_runners": count, "learners": 0})})
    costs = measure_costs(run)

    def play() -> Timed:
        with ray_session(run.rllib), tempfile.TemporaryDirectory() as folder, RllibTraining(run, 0, folder) as training:
            for _ in range(2):  # every actor has played
                training.iterate()
            start, before = time.perf_counter(), training.marks["steps"]
            while training.marks["steps"] - before < size:
                figures = training.iterate()
            seconds, played = time.perf_counter() - start, training.marks["steps"] - before
        predicted, limit = throughput(costs, count, cores=THREADS)
        return Timed(seconds * size / played, {"costs": costs.model_dump(), "predicted": predicted, "limit": limit, "loss": figures.get("learner/total_loss", 0.0)})

    return play


def check_actors(outcomes: dict[str, Any]) -> None:
    """Predictions and losses that are numbers."""
    for name, one in outcomes.items():
        if not (one["predicted"] > 0 and abs(one["loss"]) < 1e12):
            raise BenchmarkError(f"{name}: {one}")


OURS = f"RLlib, one runner of {OUR_ENVS} environments of algobot, minibatches of {MINIBATCH:,}"

VECTOR = Benchmark(
    name="rllib", unit="steps/s", size=32_768, quick_size=32_768, check=check_learning,
    sides=(Side(OURS, ours), Side(RLLIB, rllib, "peers-rl")),
    rows=(Row("rllib-vector-env", OURS, RLLIB, target=3.0, note="the same learner; what differs is the env runner and what it steps"),),
)

ACTORS = Benchmark(
    name="rllib-actors", unit="steps/s", size=16_384, quick_size=8_192, rounds=2, check=check_actors,
    sides=tuple(Side(f"APPO, {count} actors", lambda size, count=count: actors(size, count)) for count in COUNTS),
    rows=tuple(Row(f"rllib-actors-{count}", f"APPO, {count} actors", f"APPO, {COUNTS[0]} actors", note="how much more than one actor, on the cores of this machine") for count in COUNTS),
)
