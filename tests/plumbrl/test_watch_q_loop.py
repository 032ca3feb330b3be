"""A hand-written Q-learner under watch: every exact check fires on its fault, and only there."""

import copy

import gymnasium
import numpy as np
import pytest
import torch
from torch import nn

from plumbrl import Watch, diagnose
from plumbrl.adapters.loop.exploration import Exploration
from plumbrl.errors import UserError

GAMMA, N = 0.9, 32


def net(last=(), hidden=nn.ReLU):
    torch.manual_seed(1)
    between = [hidden()] if hidden else []
    return nn.Sequential(nn.Linear(4, 16), *between, nn.Linear(16, 2), *last)


class Loop:
    """Sixty gradient steps on random transitions; every part can be replaced."""

    steps, copy_every = 60, 7
    online = staticmethod(net)

    def __init__(self, folder=None, **more):
        torch.manual_seed(0)
        self.net = self.online()
        self.target = copy.deepcopy(self.net)
        self.optimiser = torch.optim.SGD(self.net.parameters(), lr=0.05)
        given = {"target_networks": self.target} | more
        self.watch = Watch(
            folder, algo="DQN", networks=self.net, gamma=GAMMA, every=1, sinks=(), **given
        )

    def draw(self):
        rewards, terminal = torch.randn(N), (torch.rand(N) < 0.2).float()
        return torch.randn(N, 4), torch.randint(0, 2, (N,)), rewards, torch.randn(N, 4), terminal

    def targets(self, rewards, after, terminal):
        with torch.no_grad():
            return rewards + GAMMA * (1 - terminal) * self.target(after).max(1).values

    def predicted(self, first, actions):
        return self.net(first)[torch.arange(len(actions)), actions]

    def loss(self, predicted, targets):
        return nn.functional.mse_loss(predicted, targets)

    def descend(self, loss):
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()

    def copied(self):
        self.target.load_state_dict(self.net.state_dict())

    def run(self):
        torch.manual_seed(2)
        for step in range(1, self.steps + 1):
            first, actions, rewards, after, terminal = self.draw()
            targets, predicted = self.targets(rewards, after, terminal), None
            predicted = self.predicted(first, actions)
            loss = self.loss(predicted, targets)
            self.watch.batch(
                observations=first, actions=actions, rewards=rewards, next_observations=after,
                terminal=terminal, targets=targets, predictions=predicted,
            )  # fmt: skip
            self.descend(loss)
            if step % self.copy_every == 0:
                self.copied()
            self.watch.update(step, loss=loss)
        return [f.cause for f in self.watch.close().findings if f.severity != "info"]


class Double(Loop):
    def targets(self, rewards, after, terminal):
        with torch.no_grad():
            best = self.net(after).argmax(1)
            following = self.target(after)[torch.arange(N), best]
            return rewards + GAMMA * (1 - terminal) * following


class Huber(Loop):
    def loss(self, predicted, targets):
        return nn.functional.smooth_l1_loss(predicted, targets)


class Clipped(Loop):
    def descend(self, loss):
        self.optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.net.parameters(), 0.01)
        self.optimiser.step()


class Soft(Loop):
    copy_every = 1

    def copied(self):
        for slow, fast in zip(self.target.parameters(), self.net.parameters(), strict=True):
            slow.data.lerp_(fast.data, 0.05)


class Unfrozen(Loop):
    """Its targets have a graph, which ends in the target network: nothing is wrong with that."""

    def targets(self, rewards, after, terminal):
        return rewards + GAMMA * (1 - terminal) * self.target(after).max(1).values


@pytest.mark.parametrize("loop", [Loop, Double, Huber, Clipped, Soft, Unfrozen])
def test_healthy_learners_are_not_accused(loop):
    it = loop()
    assert it.run() == []
    verdicts = {check.name: check.verdict for check in it.watch.report().checks}
    for name in ("temporal-difference targets recomputed", "Q-values in the loss recomputed",
                 "gradient of the loss as the optimiser gets it", "the network is not linear",
                 "target networks follow"):  # fmt: skip
        assert verdicts[name] == "passed", name


class TerminalBootstrap(Loop):
    def targets(self, rewards, after, terminal):
        return super().targets(rewards, after, 0 * terminal)


class NoDiscount(Loop):
    def targets(self, rewards, after, terminal):
        with torch.no_grad():
            return rewards + (1 - terminal) * self.target(after).max(1).values


class Online(Loop):
    def targets(self, rewards, after, terminal):
        with torch.no_grad():
            return rewards + GAMMA * (1 - terminal) * self.net(after).max(1).values


class Attached(Loop):
    def targets(self, rewards, after, terminal):
        return rewards + GAMMA * (1 - terminal) * self.net(after).max(1).values


class OtherInput(Loop):
    def predicted(self, first, actions):
        return super().predicted(0.5 * first, actions)


class Wide(Loop):
    def targets(self, rewards, after, terminal):
        return super().targets(rewards, after, terminal)[:, None]

    def loss(self, predicted, targets):
        return (predicted - targets).square().mean()


class Up(Loop):
    def descend(self, loss):
        super().descend(-loss)


class Lost(Loop):
    def descend(self, loss):
        loss.backward()
        self.optimiser.zero_grad()
        self.optimiser.step()


class Added(Loop):
    def descend(self, loss):
        loss.backward()
        self.optimiser.step()


class Plain(Loop):
    def loss(self, predicted, targets):
        return (predicted - targets).mean()


class NoGraph(Loop):
    def predicted(self, first, actions):
        return super().predicted(first, actions).detach().requires_grad_()


class Stale(Loop):
    """The optimiser holds another network's parameters."""

    def __init__(self):
        super().__init__()
        self.optimiser = torch.optim.SGD(net().parameters(), lr=0.05)

    def descend(self, loss):
        loss.backward()
        self.optimiser.step()


class NoStep(Loop):
    def descend(self, loss):
        loss.backward()


class CopiedBack(Loop):
    def copied(self):
        self.net.load_state_dict(self.target.state_dict())


class CopiedInPart(Loop):
    def copied(self):
        self.target[0].load_state_dict(self.net[0].state_dict())


class CopiedAlways(Loop):
    copy_every = 1


class Linear(Loop):
    online = staticmethod(lambda: net(hidden=None))


class Relu(Loop):
    online = staticmethod(lambda: net([nn.ReLU()]))


class Tanh(Loop):
    online = staticmethod(lambda: net([nn.Tanh()]))


class Deaf(Loop):
    """The last layer has no weights left."""

    @staticmethod
    def online():
        made = net()
        nn.init.zeros_(made[-1].weight)
        return made


@pytest.mark.parametrize(
    ("loop", "cause"),
    [
        (TerminalBootstrap, "value.bootstrap-at-terminal"),
        (NoDiscount, "configuration.gamma-ignored"),
        (Online, "value.online-network-in-target"),
        (Attached, "value.target-not-detached"),
        (OtherInput, "value.wrong-prediction"),
        (Wide, "value.broadcast"),
        (Up, "value.loss-sign-flipped"),
        (Lost, "optimiser.gradient-lost"),
        (Added, "optimiser.gradients-accumulate"),
        (Plain, "value.wrong-loss"),
        (NoGraph, "value.no-gradient"),
        (Stale, "optimiser.no-update"),
        (NoStep, "optimiser.no-step"),
        (CopiedBack, "value.target-network-roles-swapped"),
        (CopiedInPart, "value.wrong-target-network"),
        (CopiedAlways, "configuration.target-is-online"),
        (Linear, "network.linear"),
        (Relu, "network.output-not-negative"),
        (Tanh, "network.output-bounded"),
        (Deaf, "network.ignores-input"),
    ],
)
def test_each_fault_is_named(loop, cause):
    assert cause in loop().run()


def test_a_loop_without_a_target_network_is_told_so():
    class Alone(Online):
        steps = 300

    assert "value.online-network-in-target" in Alone(target_networks=None).run()

    class Forgotten(Loop):  # it has one, and did not say so
        steps = 300

    assert "value.online-network-in-target" not in Forgotten(target_networks=None).run()


def test_a_target_network_may_rest_for_a_while_and_not_for_ever():
    class Never(Loop):
        copy_every = 10**6

    short = Never()
    assert short.run() == []

    class Long(Never):
        steps = 1100

    assert "value.target-network-never-updated" in Long().run()


def test_networks_with_dropout_are_not_asked():
    class Random(Loop):
        online = staticmethod(lambda: net([nn.Dropout(0.5)]))

    it = Random()
    assert it.run() == []
    assert any(c.name == "batches recomputed" and "random" in c.reason
               for c in it.watch.report().checks)  # fmt: skip


def test_the_training_is_the_same_without_the_batches():
    class Silent(Loop):
        def __init__(self):
            super().__init__()
            self.watch.batch = lambda **given: None

    watched, alone = Loop(), Silent()
    watched.run(), alone.run()
    assert all(torch.equal(a, b) for a, b in zip(watched.net.parameters(),
                                                 alone.net.parameters(), strict=True))  # fmt: skip


def test_what_was_found_is_in_the_folder(tmp_path):
    Up(tmp_path / "run").run()
    report = diagnose(tmp_path / "run")
    assert report.verdict == "BROKEN"
    assert report.findings[0].cause == "value.loss-sign-flipped"
    assert any(check.name == "the network is not linear" for check in report.checks)


def test_a_batch_of_parts_that_do_not_fit_is_said_in_a_sentence():
    loop = Loop()
    first, actions, rewards, after, terminal = loop.draw()
    given = {"observations": first, "actions": actions, "rewards": rewards[:5],
             "next_observations": after, "terminal": terminal, "targets": rewards,
             "predictions": rewards}  # fmt: skip
    with pytest.raises(UserError, match=r"different lengths.*rewards 5"):
        loop.watch.batch(**given)
    with pytest.raises(UserError, match="networks="):
        Watch(None, gamma=GAMMA).batch(**given | {"rewards": rewards})


# The environment.


def played(use, env=None):
    watch = Watch(None, algo="DQN", gamma=GAMMA, sinks=())
    env = watch.environment(env or gymnasium.make("CartPole-v1"))
    use(env)
    return [f.cause for f in watch.close().findings]


def play(env, steps=300, close=True, reset=True, action=lambda t: t % 2):
    env.reset(seed=0)
    for t in range(steps):
        _, _, terminated, truncated, _ = env.step(action(t))
        if (terminated or truncated) and reset:
            env.reset()
    if close:
        env.close()


def reset_always(env):
    for _ in range(100):
        env.reset()
        env.step(0)
    env.close()


@pytest.mark.parametrize(
    ("use", "cause"),
    [
        (play, None),
        (lambda env: play(env, close=False), "environment.not-closed"),
        (lambda env: play(env, reset=False), "environment.stepped-after-end"),
        (lambda env: play(env, steps=0), "environment.never-stepped"),
        (reset_always, "environment.reset-at-every-step"),
        (lambda env: play(env, action=lambda t: np.int64(t % 2)), None),
    ],
)
@pytest.mark.filterwarnings("ignore:.*even though this environment has already.*")
def test_the_use_of_an_environment(use, cause):
    assert played(use) == ([cause] if cause else [])


def test_an_action_outside_of_its_space_is_named_before_the_environment_fails():
    def use(env):
        with pytest.raises(Exception):  # noqa: B017
            play(env, action=lambda t: 0.37)
        env.close()

    assert played(use) == ["policy.action-outside-space"]


def test_an_environment_that_resets_itself_may_be_stepped_on():
    env = gymnasium.wrappers.Autoreset(gymnasium.make("CartPole-v1"))
    assert played(lambda e: play(e, reset=False), env) == []


def test_no_environment_is_said_and_told(tmp_path):
    watch = Watch(tmp_path / "run", algo="DQN", gamma=GAMMA, sinks=())
    with pytest.raises(UserError, match="NoneType"):
        watch.environment(None)
    assert diagnose(tmp_path / "run").findings[0].cause == "environment.missing"
    vector = gymnasium.make_vec("CartPole-v1", num_envs=2, vectorization_mode="sync")
    with pytest.raises(UserError, match="one Gymnasium environment"):
        watch.environment(vector)
    vector.close()


def test_episodes_are_taken_from_the_environment():
    watch = Watch(None, algo="DQN", gamma=GAMMA, every=1, sinks=())
    env = watch.environment(gymnasium.make("CartPole-v1"))
    play(env)
    watch.update(300, loss=1.0)
    assert watch._monitor.history["rollout/ep_len_mean"][-1] > 5
    assert np.isfinite(watch._monitor.history["rollout/ep_rew_mean"][-1])


@pytest.mark.parametrize(
    ("epsilon", "cause"),
    [
        (lambda t: 0.0, "configuration.exploration-missing"),
        (lambda t: max(0.01, 0.9**t), "configuration.exploration-decays-early"),
        (lambda t: 0.1, None),
    ],
)
def test_greedy_actions_are_told_from_exploring_ones(epsilon, cause):
    online, rng = net(), np.random.default_rng(0)
    watch = Watch(None, algo="DQN", gamma=GAMMA, networks=online, sinks=())
    env = watch.environment(gymnasium.make("CartPole-v1"))
    seen, _ = env.reset(seed=0)
    for t in range(600):
        action = int(online(torch.as_tensor(seen)[None]).argmax())
        if rng.random() < epsilon(t):
            action = int(rng.integers(2))
        seen, _, terminated, truncated, _ = env.step(action)
        if terminated or truncated:
            seen, _ = env.reset()
    env.close()
    causes = [f.cause for f in watch.close().findings]
    assert causes == ([cause] if cause else [])


@pytest.mark.parametrize(
    ("schedule", "cause"),
    [
        (lambda t: max(0.05, 1 - t / 1500), None),
        (lambda t: 0.1, None),
        (lambda t: 0.9, "configuration.exploration-never-decays"),
        (lambda t: 0.999**-t, "configuration.exploration-never-decays"),
        (lambda t: max(0.01, 0.9**t), "configuration.exploration-decays-early"),
    ],
)
def test_schedules_of_exploration(schedule, cause):
    seen = Exploration()
    for t in range(0, 6000, 2):
        seen.tell(t, schedule(t))
    assert [found.cause for _, found in seen.outcomes() if found] == ([cause] if cause else [])


# Batches against what happened.


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (lambda row: row, None),
        (lambda row: (*row[:4], False), "value.bootstrap-at-terminal"),
        (lambda row: (row[0], 0, *row[2:]), "data.wrong-replay-action"),
        (lambda row: (*row[:2], -row[2], *row[3:]), "data.reward-sign-flipped"),
        (lambda row: (*row[:2], 5 * row[2], *row[3:]), "data.wrong-reward"),
        (lambda row: (*row[:3], row[0], row[4]), "data.observation-stored-as-next"),
        (lambda row: (row[0] / 3, *row[1:3], row[3] / 3, row[4]), None),  # scaled on purpose
    ],
)
def test_batches_are_compared_with_what_happened(change, cause):
    loop = Loop()
    env = loop.watch.environment(gymnasium.make("CartPole-v1"))
    seen, _ = env.reset(seed=0)
    rows = []
    for t in range(200):
        action = int(t * 7 % 3 > 0)
        after, reward, terminated, truncated, _ = env.step(action)
        rows.append(change((seen, action, float(reward), after, terminated)))
        seen = env.reset()[0] if terminated or truncated else after
    env.close()
    parts = [torch.as_tensor(np.array(part)) for part in zip(*rows, strict=True)]

    def draw():
        index = torch.randint(0, len(rows), (N,))
        first, actions, rewards, after, terminal = (part[index] for part in parts)
        return first.float(), actions, rewards.float(), after.float(), terminal.float()

    loop.draw = draw
    causes = [found for found in loop.run() if found.startswith(("data", "value"))]
    assert causes == ([cause] if cause else [])


# Advantages.


def gae(rewards, values, dones, gamma, lam):
    advantages = np.zeros_like(rewards)
    for t in reversed(range(len(rewards))):
        following = values[t + 1] * (1 - dones[t]) if t + 1 < len(rewards) else 0.5
        later = advantages[t + 1] * (1 - dones[t]) if t + 1 < len(rewards) else 0.0
        advantages[t] = rewards[t] + gamma * following - values[t] + gamma * lam * later
    return advantages


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (lambda a: a, None),
        (lambda a: -a, "data.advantage-sign-flipped"),
        (lambda a: a[::-1], "data.wrong-advantage"),
    ],
)
def test_advantages_follow_their_recursion(change, cause):
    rng = np.random.default_rng(0)
    rewards, values = rng.normal(size=(2, 64, 4))
    dones = (rng.random((64, 4)) < 0.05).astype(float)
    advantages = change(gae(rewards, values, dones, 0.9, 0.8))
    watch = Watch(None, algo="PPO", gamma=0.9, gae_lambda=0.8, every=1, sinks=())
    watch.rollout(step=256, rewards=rewards, values=values, advantages=advantages,
                  returns=advantages + values, dones=dones)  # fmt: skip
    causes = [f.cause for f in watch.close().findings]
    assert causes == ([cause] if cause else [])


def test_an_error_of_a_look_ends_the_look_and_not_the_training(monkeypatch):
    from plumbrl.adapters.loop.gradient import GradientWatch
    from plumbrl.adapters.loop.targets import TargetWatch

    def fail(*_):
        raise RuntimeError("no look today")

    monkeypatch.setattr(TargetWatch, "_compare", fail)
    monkeypatch.setattr(GradientWatch, "_judge", fail)
    loop = Loop()
    assert loop.run() == []
    reasons = [check.reason for check in loop.watch.report().checks]
    assert any("no look today" in reason for reason in reasons)
