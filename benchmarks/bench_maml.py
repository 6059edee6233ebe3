"""One meta-gradient to second order: our functional engine, all tasks at once, against learn2learn's MAML, one task after the other.

Both sides use the same module (two networks of 2x64), the same loss, the same data, two threads; learn2learn runs in algobot's own environment and is used as its
documentation shows: clone, adapt, backward, for each task. With the mixture (four experts of 2x64 and a gate), the peer has its experts as four modules in a list, the ordinary
way to write one; our engine has the same weights stacked, so that tasks and experts go through one product. A further row gives the peer our stacked module.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from harness import Benchmark, Row, Side, Timed, agree

TASKS, OBSERVATION_SIZE, ACTIONS, RATE, THREADS = 8, 30, 8, 0.1, 2   # the sizes of a TradingEnv
IN_A_ROW = 8   # meta-gradients in one timed call, as in training: the first one after a pause finds cold caches and sleeping threads


def task_batches(samples: int, count: int) -> list[Any]:
    """`count` batches of TASKS tasks with masks, the same in every process."""
    import torch
    from algobot.training.maml import TaskBatch

    generator = torch.Generator().manual_seed(1)
    batches = []
    for _ in range(count):
        masks = torch.rand(TASKS, samples, ACTIONS, generator=generator) < 0.7
        masks[..., 0] = True
        actions = torch.multinomial(masks.flatten(0, 1).float(), 1, generator=generator).reshape(TASKS, samples)
        noise = torch.randn(2, TASKS, samples, generator=generator)
        observations = torch.randn(TASKS, samples, OBSERVATION_SIZE, generator=generator)
        batches.append(TaskBatch(observations, masks, actions, torch.full((TASKS, samples), -1.7), noise[0], noise[1]))
    return batches


def plain_policy() -> Any:
    """Actor and critic of 2x64."""
    from algobot.agents.ppo import ActorCritic

    return ActorCritic(OBSERVATION_SIZE, ACTIONS, (64, 64), seed=0)


def mixture(stacked: bool) -> Any:
    """Four experts of 2x64 that give logits and a value, and a gate; the experts' weights stacked, or four modules in a list."""
    import torch
    from algobot.foundation.networks import Linear, layer_stack, masked_log_probs
    from torch import nn

    class Mixture(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            generator = torch.Generator().manual_seed(0)
            sizes = [OBSERVATION_SIZE, 64, 64, ACTIONS + 1]
            experts = [layer_stack(sizes, "tanh", 1.0, generator) for _ in range(4)]
            self.gate = layer_stack([OBSERVATION_SIZE, 32, 4], "tanh", 1.0, generator)
            self.experts: Any = experts[0] if stacked else nn.ModuleList(experts)
            for index, layer in enumerate(experts[0] if stacked else ()):
                if isinstance(layer, Linear):
                    layer.weight = nn.Parameter(torch.stack([expert[index].weight.detach() for expert in experts]))
                    layer.bias = nn.Parameter(torch.stack([expert[index].bias.detach() for expert in experts]))

        def forward(self, observations: Any, masks: Any) -> Any:
            if stacked:
                rows = observations.unsqueeze(-3).expand(*observations.shape[:-2], 4, *observations.shape[-2:])
                each = self.experts(rows)                                                     # (..., 4, B, A + 1)
            else:
                each = torch.stack([expert(observations) for expert in self.experts], -3)
            weights = torch.log_softmax(self.gate(observations), -1).movedim(-1, -2)          # (..., 4, B)
            log_probs = torch.logsumexp(weights.unsqueeze(-1) + masked_log_probs(each[..., :-1], masks.unsqueeze(-3)), -3)
            return log_probs, (weights.exp() * each[..., -1]).sum(-2)

    return Mixture()


def outcome_of(gradients: list[Any]) -> dict[str, float]:
    """The length of the whole meta-gradient, which both sides must agree on."""
    return {"gradient_norm": float(sum(gradient.double().square().sum() for gradient in gradients)) ** 0.5}


def timed(work: Callable[[], dict[str, float]]) -> Callable[[], Timed]:
    """The mean of several meta-gradients in a row."""
    import time

    def run() -> Timed:
        start = time.perf_counter()
        for _ in range(IN_A_ROW):
            outcome = work()
        return Timed((time.perf_counter() - start) / IN_A_ROW, outcome)

    return run


def functional(build: Callable[[], Any], steps: int) -> Callable[[int], Callable[[], Timed]]:
    """Our side: `meta_gradient` as it is."""

    def make(samples: int) -> Callable[[], Timed]:
        import torch
        from algobot.training.maml import meta_gradient, surrogate_loss

        torch.set_num_threads(THREADS)
        module, (*support, query) = build(), task_batches(samples, steps + 1)

        def work() -> dict[str, float]:
            result = meta_gradient(module, support, query, surrogate_loss, RATE)
            return outcome_of(list(result.gradients.values()))

        return timed(work)

    return make


def learn2learn(build: Callable[[], Any], steps: int) -> Callable[[int], Callable[[], Timed]]:
    """The peer: learn2learn's `MAML`, its `clone` and `adapt`, and `backward`, for each task. Tasks are cut out beforehand."""

    def make(samples: int) -> Callable[[], Timed]:
        import torch
        from algobot.training.maml import load_learn2learn, surrogate_loss, take_task

        torch.set_num_threads(THREADS)
        module = build()
        batches = task_batches(samples, steps + 1)
        tasks = [[take_task(batch, task) for batch in batches] for task in range(TASKS)]
        learner = load_learn2learn().MAML(module, lr=RATE)

        def work() -> dict[str, float]:
            learner.zero_grad(set_to_none=True)
            for *support, query in tasks:
                clone = learner.clone()
                for batch in support:
                    clone.adapt(surrogate_loss(*clone(*batch.arguments), batch))
                (surrogate_loss(*clone(*query.arguments), query) / TASKS).backward()
            return outcome_of([parameter.grad for parameter in module.parameters()])

        return timed(work)

    return make


def check(outcomes: dict[str, Any]) -> None:
    """Single precision: the same gradient to a few parts in a hundred thousand."""
    agree(outcomes, "gradient_norm", 1e-4)


def benchmark(name: str, build: Callable[[], Any], samples: int, steps: int, target: float, note: str, listed: Callable[[], Any] | None = None) -> Benchmark:
    """Seconds of one meta-gradient by both engines; `size` is the number of samples of each task. `listed`: the module as it is written for learn2learn, where that differs."""
    ours, peer = "functional", "learn2learn"
    sides = [Side(ours, functional(build, steps), threads=THREADS), Side(peer, learn2learn(listed or build, steps), threads=THREADS)]
    rows = [Row(name, ours, peer, target=target, note=note)]
    if listed is not None:
        sides.append(Side("learn2learn, stacked experts", learn2learn(build, steps), threads=THREADS))
        rows.append(Row(f"{name}-stacked", ours, "learn2learn, stacked experts", note=note + "; the peer, too, has our experts with stacked weights"))
    return Benchmark(name=name, unit="s", size=samples, quick_size=samples, sides=tuple(sides), rows=tuple(rows), rounds=7, per_second=False, check=check)


SMALL = benchmark("maml-8x32", plain_policy, 32, 1, 5.0, "8 tasks x 32 samples x 1 inner step, second order, two threads")
ONE_STEP = benchmark("maml-8x256", plain_policy, 256, 1, 2.0, "8 tasks x 256 samples x 1 inner step, second order, two threads")
THREE_STEPS = benchmark("maml-8x256x3", plain_policy, 256, 3, 2.5, "8 tasks x 256 samples x 3 inner steps, second order, two threads")
MIXTURE = benchmark("maml-mixture-8x256", lambda: mixture(True), 256, 1, 2.5, "mixture of 4 experts (for learn2learn four modules in a list) and a gate, 8 tasks x 256 samples x 1 inner step, two threads", lambda: mixture(False))
