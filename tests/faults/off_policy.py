"""Faulty off-policy trainers, and what must be said of each."""

from dataclasses import dataclass, field

import gymnasium as gym
from stable_baselines3 import DQN, SAC, TD3
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import VecEnvWrapper

from faults import replay
from faults.off_policy_trainers import (
    FaultyDQN,
    FaultySAC,
    FaultyTD3,
    FrozenFeatures,
    MeanLogProb,
    NoWarmUp,
    OneOptimiser,
    StaleOptimiser,
    StoresReset,
    WithoutJacobian,
    WrongScale,
)


@dataclass(frozen=True)
class Fault:
    """A fault, and the causes that may be named first.

    Attributes:
        name: For reports; also of the mistake to switch on, if `algo` has mistakes.
        causes: Acceptable diagnoses; the first finding must be one of them.
        algo: Trainer.
        settings: For its constructor.
        wrapper: Faulty wrapper, if that is where it sits.
    """

    name: str
    causes: tuple[str, ...]
    algo: type = SAC
    settings: dict = field(default_factory=dict)
    wrapper: type[VecEnvWrapper] | None = None


def mistakes(algo, **causes):
    return [Fault(name.replace("_", " "), (cause,), algo) for name, cause in causes.items()]


def buffers(algo, **causes):
    return [
        Fault(name, (cause,), algo, {"replay_buffer_class": getattr(replay, name)})
        for name, cause in causes.items()
    ]


FINAL = "environment.final-observation"
FAULTS = [
    *mistakes(
        FaultyDQN,
        no_mask="value.bootstrap-at-terminal",
        mask_inverted="value.mask-inverted",
        reward_masked="value.terminal-reward-lost",
        no_gamma="configuration.gamma-ignored",
        gamma_squared="configuration.gamma-squared",
        another_gamma="value.wrong-target",
        online_target="value.online-network-in-target",
        not_detached="value.target-not-detached",
        mean="value.mean-over-actions",
        worst_action="value.worst-action-in-target",
        argmax="value.argmax-as-value",
        reward_sign="value.reward-sign-flipped",
        no_reward="value.reward-missing",
        no_next_value="value.next-value-missing",
        value_sign="value.next-value-sign-flipped",
        greedy_prediction="value.wrong-prediction",
        broadcast="value.broadcast",
        no_step="optimiser.no-step",
        never_copied="value.target-network-never-updated",
        copied_every_step="value.target-network-updated-too-often",
        roles_swapped="value.target-network-roles-swapped",
    ),
    *mistakes(
        FaultySAC,
        no_mask="value.bootstrap-at-terminal",
        no_gamma="configuration.gamma-ignored",
        gamma_squared="configuration.gamma-squared",
        no_entropy="value.entropy-term-missing",
        entropy_sign="value.entropy-sign-flipped",
        max_of_twins="value.twin-minimum-missing",
        single_target="value.twin-minimum-missing",
        online_target="value.online-network-in-target",
        one_critic="value.critic-not-trained",
        actor_without_entropy="policy.entropy-term-missing",
        actor_entropy_sign="policy.entropy-sign-flipped",
        actor_sign="policy.objective-sign-flipped",
        never_followed="value.target-network-never-updated",
        tau_swapped="value.target-network-tau-swapped",
        roles_swapped="value.target-network-roles-swapped",
    ),
    *mistakes(
        FaultyTD3,
        no_mask="value.bootstrap-at-terminal",
        no_gamma="configuration.gamma-ignored",
        max_of_twins="value.twin-minimum-missing",
        one_critic="value.critic-not-trained",
        online_target="value.online-network-in-target",
        actor_sign="policy.objective-sign-flipped",
        actor_never_steps="optimiser.no-step",
        followed_every_step="value.target-network-updated-too-often",
        copied="value.target-network-copied",
        actor_target_forgotten="value.wrong-target-network",
    ),
    *buffers(
        DQN,
        NextStored="data.next-observation-stored",
        SameStored="data.observation-stored-as-next",
        Aliased="data.wrong-observation",
        SignFlipped="data.reward-sign-flipped",
        Clipped="data.reward-clipped",
        RewardBefore="data.reward-of-step-before",
        NeverDone="value.bootstrap-at-terminal",
        EndsLate="data.episode-ends-late",
        Newest="data.replay-not-uniform",
        LimitsMasked="value.no-bootstrap-at-truncation",
        NextDrawn="data.next-observation-stored",
        SignDrawn="data.reward-sign-flipped",
        ActionsShuffled="data.minibatch-shuffled",
        Noisy="data.minibatch-altered",
    ),
    *buffers(
        TD3,
        EnvironmentScale="data.action-in-environment-scale",
        ScaledTwice="data.action-scaled-twice",
        FirstHalf="data.replay-not-uniform",
    ),
    Fault("final is reset", (f"{FINAL}-is-reset",), wrapper=replay.ResetAsFinal),
    Fault("final dropped", (f"{FINAL}-missing",), wrapper=replay.FinalDropped),
    Fault("array reused", ("data.next-observation-stored",), DQN, wrapper=replay.Reused),
    Fault("reset stored", ("data.reset-observation-stored",), StoresReset),
    Fault("warm-up", ("policy.warm-up-not-random",), NoWarmUp),
    Fault("tanh", ("policy.tanh-correction-missing",), settings={"policy": WithoutJacobian}),
    Fault("mean log-prob", ("policy.log-prob-not-summed",), settings={"policy": MeanLogProb}),
    Fault("scale", ("policy.action-scale-not-inverted",), settings={"policy": WrongScale}),
    Fault("cut", ("network.no-gradient",), settings={"policy": FrozenFeatures}),
    Fault("stale optimiser", ("optimiser.no-update",), StaleOptimiser),
    Fault("one optimiser", ("optimiser.foreign-parameters",), OneOptimiser),
    Fault("tau 1", ("configuration.target-is-online",), settings={"tau": 1.0}),
    Fault("interval 1", ("configuration.target-is-online",), DQN, {"target_update_interval": 2}),
    Fault(
        "target entropy", ("configuration.target-entropy-unreachable",),
        settings={"target_entropy": 2.0},
    ),
    Fault(
        "time limits are terminal", ("value.no-bootstrap-at-truncation",), DQN,
        {"replay_buffer_kwargs": {"handle_timeout_termination": False}},
    ),
]  # fmt: skip


def make_model(algo=SAC, mistake="", wrapper=None, seed=0, n_envs=2, limit=9, policy="MlpPolicy",
               env=replay.Square, **settings):  # fmt: skip
    """Return a small trainer on environments whose episodes end both ways, faulty or healthy."""
    discrete = {"discrete": True} if issubclass(algo, DQN) and env is replay.Square else {}

    def one():
        return gym.wrappers.TimeLimit(
            replay.Square(**discrete) if env is replay.Square else gym.make(env), limit
        )

    venv = make_vec_env(one, n_envs, seed=seed)
    if issubclass(algo, DQN):
        settings = {"target_update_interval": 20, **settings}
    model = algo(
        policy, wrapper(venv) if wrapper else venv, seed=seed, device="cpu", learning_starts=60,
        batch_size=64, gamma=0.9, learning_rate=1e-3,
        policy_kwargs={"net_arch": [32], **settings.pop("policy_kwargs", {})}, **settings,
    )  # fmt: skip
    model.mistake = mistake
    return model
