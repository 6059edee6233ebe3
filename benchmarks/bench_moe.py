"""What a mixture of experts costs when it acts: 2,048 observations at once, against one network of the same parameter count.

The mixture is `MoEAgent` as shipped: four experts of two hidden layers of 64 units, and a gate with a memory of 16 numbers, which is carried from
batch to batch. The one network has two hidden layers of equal width, chosen so that it has as many parameters as gate and experts together, and the
same activation. Both get the same observations and masks as NumPy arrays and give actions as a NumPy array; critics take no part. The third side is
the same mixture with a Python loop over the experts, each an ordinary network: it must choose the same actions.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from harness import Benchmark, BenchmarkError, Row, Side

BATCH = 2048
MIXTURE, NETWORK, LOOP = "MoEAgent.select_action", "one network, as many parameters", "the mixture, a loop over experts"
SLOWDOWN = 1.3  # at most so many times the one network's time


def prepare() -> tuple[Any, Any, dict[str, Any]]:
    """The agent, observations (BATCH, D) and info with a mask; the same on every side."""
    import numpy as np
    import torch
    from algobot.agents.moe import MoEAgent
    from algobot.foundation.memory import keep_freed_memory
    from algobot.simulation.environment_step import action_names
    from algobot.simulation.trading_env import TradingEnvSettings, observation_names

    torch.set_num_threads(1)
    keep_freed_memory()
    rules, rng = TradingEnvSettings(), np.random.default_rng(0)
    agent = MoEAgent.create(observation_names(rules), action_names(rules.max_quantity))
    with torch.no_grad():  # as after a training: no two weights alike, decided experts
        for parameter in agent.policy.parameters():
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)))
    observations = rng.standard_normal((BATCH, agent.policy.observation_size)).astype(np.float32)
    mask = (rng.random((BATCH, agent.policy.action_count)) > 0.3).astype(np.int8)
    mask[:, 0] = 1
    return agent, observations, {"action_mask": mask}


def acting_parameters(policy: Any) -> int:
    """Parameters of gate and experts: what acting needs."""
    return sum(parameter.numel() for part in (policy.gate, policy.experts) for parameter in part.parameters())


def repeat(act: Callable[[], Any], begin: Callable[[], None], parameters: int, size: int) -> Callable[[], dict[str, int]]:
    """A call that decides `size` times, in batches; the outcome holds a checksum of the actions."""
    def run() -> dict[str, int]:
        begin()
        total = 0
        for step in range(size // BATCH):
            total += int((act() * (1 + step)).sum())
        return {"parameters": parameters, "checksum": total}

    return run


def mixture(size: int) -> Callable[[], Any]:
    """The agent itself."""
    agent, observations, info = prepare()
    return repeat(lambda: agent.select_action(observations, info), agent.reset, acting_parameters(agent.policy), size)


def network(size: int) -> Callable[[], Any]:
    """What `PPOAgent.select_action` does, for a batch: the actor's masked distribution, and its most likely action."""
    import numpy as np
    import torch
    from algobot.agents.ppo import ActorCritic

    agent, observations, info = prepare()
    inputs, actions, wanted = agent.policy.observation_size, agent.policy.action_count, acting_parameters(agent.policy)
    width = next(width for width in range(1, 10_000) if width * (inputs + 1) + width * (width + 1) + actions * (width + 1) >= wanted)
    policy = ActorCritic(inputs, actions, (width, width))
    parameters = sum(parameter.numel() for parameter in policy.actor.parameters())

    @torch.no_grad()
    def act() -> Any:
        mask = torch.as_tensor(np.asarray(info["action_mask"]) != 0)
        return policy.log_probs(torch.as_tensor(np.asarray(observations, np.float32)), mask).argmax(dim=-1).numpy()

    return repeat(act, lambda: None, parameters, size)


def loop(size: int) -> Callable[[], Any]:
    """Gate, four networks one after the other, and the average of their probabilities."""
    import torch
    from algobot.foundation.networks import MASKED_LOGIT, Linear, Tanh
    from torch import nn

    agent, observations, info = prepare()
    policy, bank = agent.policy, agent.policy.experts
    count, depth = len(policy.expert_names), len(bank.weights)
    prior, constants = bank.prior.unflatten(0, (count, -1)), bank.prior_constants.unflatten(0, (count, -1))
    networks = []
    for expert in range(count):
        layers: list[nn.Module] = []
        for layer in range(depth):
            linear = Linear(bank.weights[layer].shape[-1], bank.weights[layer].shape[-2])
            linear.load_state_dict({"weight": bank.weights[layer][expert], "bias": bank.biases[layer][expert]})
            layers += [linear, Tanh()] if layer < depth - 1 else [linear]
        networks.append(nn.Sequential(*layers))
    memory = [policy.initial_state(BATCH)]

    @torch.no_grad()
    def act() -> Any:
        rows, mask = torch.as_tensor(observations), torch.as_tensor(info["action_mask"] != 0)
        log_weights, memory[0] = policy.listen(rows, memory[0])
        probabilities = torch.zeros(BATCH, policy.action_count)
        for expert in range(count):
            logits = networks[expert](rows * bank.visible[expert]) + nn.functional.linear(rows, prior[expert], constants[expert])
            probabilities += log_weights[expert].exp()[:, None] * torch.softmax(torch.where(mask, logits, MASKED_LOGIT), dim=-1)
        return probabilities.argmax(dim=-1).numpy()

    def begin() -> None:
        memory[0] = policy.initial_state(BATCH)

    return repeat(act, begin, acting_parameters(policy), size)


def check(outcomes: dict[str, Any]) -> None:
    """Sizes within one percent, and the same actions from both forms of the mixture (a tie broken by rounding may differ)."""
    wanted = outcomes[MIXTURE]
    for name, one in outcomes.items():
        if abs(one["parameters"] / wanted["parameters"] - 1) > 0.01:
            raise BenchmarkError(f"{name} has {one['parameters']} parameters, the mixture {wanted['parameters']}: the sizes should agree within 1 %")
    if LOOP in outcomes and abs(outcomes[LOOP]["checksum"] / wanted["checksum"] - 1) > 1e-4:
        raise BenchmarkError(f"the loop over experts chose other actions: checksum {outcomes[LOOP]['checksum']}, not {wanted['checksum']}")


MOE = Benchmark(
    name="moe-act", unit="actions/s", size=16 * BATCH, quick_size=4 * BATCH, check=check,
    sides=(Side(MIXTURE, mixture), Side(NETWORK, network), Side(LOOP, loop)),
    rows=(
        Row("moe-act", MIXTURE, NETWORK, target=round(1 / SLOWDOWN, 3), note=f"batches of {BATCH:,}; the issue asks for at most {SLOWDOWN} times the one network's time"),
        Row("moe-act-loop", MIXTURE, LOOP, note="the same mixture, the same actions"),
    ),
)
