"""Watching a hand-written loop: what it is told, what it sees, and that it breaks nothing."""

import json
import runpy
import subprocess
import sys
import time
from pathlib import Path

import gymnasium
import numpy as np
import pytest
import torch
from torch import nn

import plumbrl
from plumbrl import Watch
from plumbrl.adapters.episodes import Episodes
from plumbrl.adapters.loop.names import numbers_of
from plumbrl.errors import UserError
from plumbrl.monitor.monitor import AlertError

EXAMPLE = Path(__file__).parents[2] / "examples" / "watched_ppo.py"
T, B = 64, 8


def rollout(seed=0, shape=(T, B), **changed):
    """Arrays of a rollout in which values explain half of the returns."""
    rng = np.random.default_rng(seed)
    values, noise = rng.normal(size=(2, *shape))
    given = {
        "rewards": rng.normal(size=shape),
        "values": values,
        "advantages": noise,
        "returns": values + noise,
        "dones": rng.random(shape) < 0.05,
        "actions": rng.integers(0, 2, shape),
        "log_probs": np.log(rng.uniform(0.1, 0.9, shape)),
    }
    return given | changed


def watch_of(folder=None, **more):
    return Watch(folder, **({"algo": "PPO", "gamma": 0.99, "every": 1} | more))


def rows_of(folder):
    header, *lines = (folder / "metrics.jsonl").read_text().splitlines()
    return json.loads(header), [json.loads(line)["metrics"] for line in lines]


def network():
    torch.manual_seed(0)
    agent = nn.ModuleDict({
        "actor": nn.Sequential(nn.Linear(3, 16), nn.ReLU(), nn.Linear(16, 2)),
        "critic": nn.Sequential(nn.Linear(3, 16), nn.ReLU(), nn.Linear(16, 1)),
    })  # fmt: skip
    return agent, torch.optim.Adam(agent.parameters(), lr=1e-3)


def learn(agent, optimizer, steps=4, scale=1.0, clip=0.5):
    """Make gradient steps, clipped as CleanRL does."""
    for seed in range(steps):
        inputs = torch.randn(32, 3, generator=torch.Generator().manual_seed(seed))
        loss = scale * sum(part(inputs).square().mean() for part in agent.values())
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(agent.parameters(), clip)
        optimizer.step()


def test_three_lines_write_rows_that_diagnose_reads(tmp_path):
    agent, optimizer = network()
    folder = tmp_path / "run"
    with watch_of(folder, networks=agent, max_grad_norm=0.5, minibatch_size=32) as watch:
        for update in range(4):
            watch.rollout(step=(update + 1) * 512, **rollout(update))
            learn(agent, optimizer)
            watch.update(pg_loss=0.1, v_loss=0.5, entropy=0.6, clipfracs=[0.1, 0.3])
    header, rows = rows_of(folder)
    assert header["facts"]["algo"] == "PPO"
    assert header["facts"]["batch_size"] == 32
    assert len(rows) == 4
    for row in rows:
        assert row["train/policy_gradient_loss"] == 0.1
        assert row["train/value_loss"] == 1.0
        assert row["train/clip_fraction"] == pytest.approx(0.2)
        assert row["data/staleness"] == 4
        assert {"gradient/actor_norm", "gradient/critic_norm", "network/dormant"} <= set(row)
        assert {"gradient/noise_scale", "optimiser/update_ratio", "rollout/ep_rew_mean"} <= set(row)
    assert plumbrl.diagnose(folder).verdict == watch.report().verdict
    assert json.loads((folder / "report.json").read_text())["verdict"] == watch.report().verdict


def test_numbers_are_those_of_the_arrays():
    given = rollout()
    watch = watch_of()
    watch.rollout(step=512, **{key: torch.as_tensor(part) for key, part in given.items()})
    watch.update()
    history = watch._monitor.history
    assert history["data/reward_mean"][0] == pytest.approx(given["rewards"].mean(), rel=1e-6)
    assert history["train/explained_variance"][0] == pytest.approx(0.5, abs=0.1)
    assert history["policy/log_prob_min"][0] == pytest.approx(given["log_probs"].min(), rel=1e-6)


def test_gradients_are_seen_before_they_are_clipped():
    agent, optimizer = network()
    watch = watch_of(networks=agent, max_grad_norm=1e-3)
    watch.rollout(step=512, **rollout())
    learn(agent, optimizer, scale=100.0, clip=1e-3)
    watch.update()
    history = watch._monitor.history
    assert history["gradient/norm"][0] > 1
    assert history["gradient/clipped_share"][0] == 1


def test_training_is_the_same_with_and_without_a_watch():
    ends = []
    for networks in (None, True):
        agent, optimizer = network()
        watch = watch_of(networks=agent if networks else None)
        for update in range(3):
            watch.rollout(step=(update + 1) * 512, **rollout(update))
            learn(agent, optimizer)
            watch.update(loss=0.1)
        watch.close()
        assert not any(part._forward_hooks for part in agent.modules())
        ends.append([*(p.detach() for p in agent.parameters()), torch.get_rng_state()])
    assert all(torch.equal(one, other) for one, other in zip(*ends, strict=True))


def test_nothing_stays_on_the_networks_after_an_error_of_the_loop():
    agent, _ = network()
    original = nn.utils.clip_grad_norm_
    with pytest.raises(RuntimeError, match="mine"), watch_of(networks=agent) as watch:
        watch.rollout(step=512, **rollout())
        raise RuntimeError("mine")
    assert nn.utils.clip_grad_norm_ is original
    assert not any(part._forward_hooks for part in agent.modules())


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"values": np.zeros((T, B + 1))}, "values has shape (64, 9), but (64, 8)"),
        ({"advantages": np.zeros(T * B)}, "advantages has shape (512, 1), but (64, 8)"),
        ({"rewards": np.zeros((0, 2))}, "rewards has shape (0, 2)"),
        ({"actions": np.zeros((B, T))}, "actions has shape (8, 64), but (64, 8)"),
        ({"valid": np.ones((T, 1))}, "valid has shape (64, 1), but (64, 8)"),
        ({"next_done": np.ones(3)}, "next_done has shape (3,), but (8,)"),
        ({"returns": "many"}, "returns is of type str and holds no numbers"),
        ({"returns": None}, "rollout() needs returns; got None"),
        ({"values": [[1, 2], [3]]}, "values is of type list and holds no numbers"),
        ({"values": np.ones((T, B)) * 1j}, "values is of type ndarray and holds no numbers"),
        ({"dones": object()}, "dones is of type object and holds no numbers"),
        ({"actions": 3}, "actions has shape (), but (64, 8)"),
    ],
)
def test_a_shape_that_does_not_fit_is_said_in_one_sentence(changed, said):
    with pytest.raises(UserError) as error:
        watch_of().rollout(step=512, **rollout(**changed))
    assert str(error.value).startswith(said)
    assert str(error.value).count(".") == 1
    assert str(error.value).endswith(".")


def without(name):
    return {key: value for key, value in rollout().items() if key != name}


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda w: w.rollout(step=512, **without("values")), "rollout() needs values=."),
        (lambda w: w.rollout(step=512, **rollout(value=1)),
         "Unknown argument of rollout() 'value'; did you mean 'values'?"),
        (lambda w: w.rollout(512, **rollout()),
         "rollout() wants its arguments by name, such as step=."),
        (lambda w: w.rollout(step=None, **rollout()),
         "step is of type NoneType and holds no numbers."),
        (lambda w: w.rollout(step=[1, 2], **rollout()),
         "step has shape (2,), not a single number."),
        (lambda w: w.rollout(step=float("nan"), **rollout()), "step is nan, not a finite number."),
        (lambda w: w.update("soon", loss=1.0), "step is of type str and holds no numbers."),
        (lambda w: w.update(1, 2), "update() wants its arguments by name."),
        (lambda w: w.update(loss=1.0), "update() needs step="),
        (lambda w: w.update(2048, epsilon="half"), "epsilon is of type str and holds no numbers."),
        (lambda w: w.episode(), "episode() needs returns=."),
        (lambda w: w.episode("won"), "returns is of type str and holds no numbers."),
    ],
)  # fmt: skip
def test_a_call_that_makes_no_sense_is_said_in_one_sentence(call, said):
    with pytest.raises(UserError) as error:
        call(watch_of())
    assert str(error.value).startswith(said)
    assert error.value.__cause__ is None


@pytest.mark.parametrize(
    "as_given",
    [
        lambda array: torch.tensor(array, dtype=torch.float32),
        lambda array: torch.tensor(array, dtype=torch.float32, requires_grad=True),
        lambda array: torch.tensor(array, dtype=torch.bfloat16),
        lambda array: [torch.tensor(row, dtype=torch.float32, requires_grad=True) for row in array],
        lambda array: array.tolist(),
    ],
    ids=["tensor", "with gradient", "half", "list of tensors", "list"],
)
def test_tensors_and_lists_are_arrays_too(as_given):
    watch = watch_of()
    given = {key: as_given(np.asarray(value, float)) for key, value in rollout().items()}
    loss = as_given(np.array([1.0, 3.0]))
    watch.rollout(step=torch.tensor(512), **given)
    watch.update(v_loss=loss, log_ratio=as_given(np.zeros(8)))
    assert not watch.failure
    row = watch._monitor.history
    assert row["train/value_loss"][-1] == pytest.approx(4)
    assert row["data/reward_mean"][-1] == pytest.approx(rollout()["rewards"].mean(), abs=2e-3)


@pytest.mark.parametrize("odd", [float("nan"), np.float32(np.inf), torch.tensor(float("nan"))])
def test_a_number_that_is_none_is_said_at_once_without_a_rollout(odd):
    watch = Watch(None, algo="SAC", gamma=0.99, every=10_000, sinks=())
    assert watch.update(100, qf_loss=1.0, explained_var=float("nan")) == []
    (found,) = watch.update(200, qf_loss=odd)
    assert (found.cause, found.step) == ("optimiser.not-finite", 200)
    assert found.evidence[0].where == "qf_loss of an update"
    assert watch.update(300, qf_loss=odd) == []  # once is enough
    assert watch.close().verdict == "BROKEN"


def test_a_number_that_is_none_is_said_between_rows():
    watch = watch_of(every=10_000, sinks=())
    watch.rollout(step=512, **rollout())
    (found,) = watch.update(loss=float("nan"))
    assert (found.cause, found.step) == ("optimiser.not-finite", 512)
    other = watch_of(every=10_000, sinks=())
    rewards = rollout()["rewards"]
    rewards[3, 2] = np.nan
    other.rollout(step=512, **rollout(rewards=rewards))
    (found,) = other.update(loss=1.0)
    assert found.cause == "reward.not-finite"


def test_later_it_ends_the_watch_and_not_the_training(capsys):
    watch = watch_of()
    watch.rollout(step=512, **rollout())
    watch.update()
    watch.rollout(step=1024, **rollout(values=np.zeros((3, 3))))
    watch.update(loss=1.0)
    assert "values has shape (3, 3)" in watch.failure
    assert "values has shape (3, 3)" in capsys.readouterr().err
    check = next(c for c in watch.close().checks if c.name == "the watch")
    assert check.verdict == "inconclusive"


def test_an_error_of_the_watch_does_not_end_the_training(monkeypatch, capsys):
    def broken(*_):
        raise ZeroDivisionError("planted")

    monkeypatch.setattr("plumbrl.monitor.numbers.of_rollout", broken)
    agent, optimizer = network()
    watch = watch_of(networks=agent)
    for update in range(3):
        watch.rollout(step=(update + 1) * 512, **rollout())
        learn(agent, optimizer)
        watch.update(loss=0.1)
    assert "ZeroDivisionError: planted" in watch.failure
    assert capsys.readouterr().err.count("planted") == 1
    assert watch.close().verdict == "INCONCLUSIVE"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"gama": 0.9}, "Unknown setting 'gama'; did you mean 'gamma'?"),
        ({"gamma": "much"}, "gamma: 'much' is not of the right type."),
        ({"networks": 3}, "networks is of type int, not a torch module or a dictionary of them."),
        ({"networks": {"actor": None}}, "networks is of type dict, not a torch module"),
        ({"settings": [1]}, "settings is of type list, not a mapping like vars(args)."),
        ({"every": 0}, "every must be above 0; got 0."),
        ({"every": "often"}, "every is of type str and holds no numbers."),
        ({"sinks": print}, "sinks is of type builtin_function_or_method, not a list of functions."),
        ({"sinks": ["mail"]}, "sinks holds a str, which cannot be called."),
        ({"folder": 3.0}, "folder is of type float, not a path or None."),
        ({"algo": 3}, "algo: 3 is not of the right type."),
    ],
)
def test_arguments_that_make_no_sense(arguments, said):
    with pytest.raises(UserError) as error:
        watch_of(**arguments)
    assert str(error.value).startswith(said)


def test_a_missing_gamma_is_said():
    with pytest.raises(UserError, match="gamma="):
        watch_of(gamma=None).rollout(step=512, **rollout())


def test_two_runs_never_share_a_folder(tmp_path):
    watch_of(tmp_path / "run").close()
    with pytest.raises(UserError, match="holds a run already"):
        watch_of(tmp_path / "run")


def test_all_arguments_of_a_loop_may_be_handed_over():
    settings = {"exp_name": "ppo_continuous_action", "seed": 1, "clip_coef": 0.3, "cuda": True}
    facts = Watch(None, settings=settings, gamma=0.9, num_envs=4, num_steps=16).facts
    assert (facts.algo, facts.clip_range, facts.gamma, facts.rollout) == ("PPO", 0.3, 0.9, 64)


def test_the_action_space_says_its_size():
    discrete = watch_of(action_space=gymnasium.spaces.Discrete(4))
    continuous = watch_of(action_space=gymnasium.spaces.Box(-2, 2, (3,)))
    assert (discrete.facts.actions, discrete.facts.action_dims) == (4, None)
    assert (continuous.facts.actions, continuous.facts.action_dims) == (None, 3)


@pytest.mark.parametrize("given", [{"entropy": 0.5}, {"entropy_loss": 0.5}, {"entropy_loss": -0.5}])
def test_entropy_has_one_sign(given):
    watch = watch_of(action_space=gymnasium.spaces.Discrete(4))
    watch.rollout(step=512, **rollout())
    watch.update(**given)
    history = watch._monitor.history
    assert history["train/entropy_loss"][0] == -0.5
    assert history["policy/entropy_relative"][0] == pytest.approx(0.5 / np.log(4), rel=1e-6)


def test_the_noise_of_a_policy_is_found_among_its_parameters():
    class Agent(nn.Module):
        def __init__(self):
            super().__init__()
            self.critic, self.actor_mean = nn.Linear(2, 1), nn.Linear(2, 2)
            self.actor_logstd = nn.Parameter(torch.tensor([[0.0, -1.0]]))

    box = gymnasium.spaces.Box(-1, 1, (2,))
    watch = watch_of(networks=Agent(), action_space=box)
    watch.rollout(step=512, **rollout(actions=np.random.default_rng(0).normal(size=(T, B, 2))))
    watch.update()
    history = watch._monitor.history
    assert history["train/std"][0] == pytest.approx((1 + np.exp(-1)) / 2, rel=1e-6)
    assert history["policy/std_min"][0] == pytest.approx(np.exp(-1), rel=1e-6)
    assert {"policy/entropy_relative", "policy/saturation_max", "policy/roughness"} <= set(history)


def test_names_of_cleanrl_and_others():
    assert numbers_of({"old_approx_kl": 0.1}) == {"policy/kl_k1": 0.1}
    assert numbers_of({"approx_kl": 0.1, "clip_fraction": 0.2, "lr": 3.0}) == {
        "train/approx_kl": 0.1, "train/clip_fraction": 0.2, "train/learning_rate": 3.0
    }  # fmt: skip
    assert numbers_of({"qf_loss": 1.0, "alpha": 0.2, "alpha_loss": 3.0, "actor_loss": 4.0}) == {
        "train/critic_loss": 1.0, "train/ent_coef": 0.2, "train/ent_coef_loss": 3.0,
        "train/actor_loss": 4.0,
    }  # fmt: skip
    assert numbers_of({"mine": torch.tensor([1.0, 3.0]), "reward/speed": 2}) == {
        "train/mine": 2.0, "reward/speed": 2.0
    }  # fmt: skip
    assert numbers_of({"qf1_loss": 1.0, "qf_loss": 2.0}) == {
        "train/critic_loss": 1.0, "train/qf_loss": 2.0
    }  # fmt: skip


def test_what_is_not_defined_is_left_out():
    assert numbers_of({"explained_var": np.nan, "clipfracs": [], "loss": None}) == {}
    with pytest.raises(UserError, match="loss is of type str"):
        numbers_of({"loss": "low"})


def test_cleanrl_keeps_the_flags_of_the_step_before():
    dones = np.random.default_rng(1).random((T, B)) < 0.1
    before = np.concatenate([np.zeros((1, B)), dones[:-1]])
    one, other = watch_of(), watch_of()
    one.rollout(step=512, **rollout(dones=dones))
    other.rollout(step=512, **rollout(dones=before, next_done=dones[-1]))
    for watch in (one, other):
        watch.update()
    one, other = (dict(w._monitor.history) for w in (one, other))
    for key in one.keys() - {"time/actor_per_second", "time/learner_per_second"}:
        np.testing.assert_array_equal(one[key], other[key], err_msg=key)


def test_steps_that_are_none_are_left_out():
    """After next-step autoreset, each row that follows an end is no step at all."""
    real = rollout(shape=(T, 1))
    real["dones"][:, 0] = np.arange(T) % 10 == 9
    spoilt, at = {}, np.flatnonzero(real["dones"][:-1, 0]) + 1
    for key, part in real.items():
        spoilt[key] = np.insert(part, at, 999 if key != "dones" else 0, axis=0)
    valid = np.insert(np.ones((T, 1)), at, 0, axis=0)
    one, other, blind = watch_of(), watch_of(), watch_of()
    one.rollout(step=512, **real)
    other.rollout(step=512, valid=valid, **spoilt)
    blind.rollout(step=512, **spoilt)
    for watch in (one, other, blind):
        watch.update()
    one, other, blind = (dict(w._monitor.history) for w in (one, other, blind))
    for key in one.keys() - {"time/actor_per_second", "time/learner_per_second"}:
        np.testing.assert_array_equal(one[key], other[key], err_msg=key)
    assert blind["data/reward_max"][0] == 999


def test_environments_that_lost_differently_many_steps_are_cut_to_the_shortest():
    valid = np.ones((T, B))
    valid[:10, 0] = 0
    watch = watch_of()
    given = rollout(valid=valid)
    given["rewards"][:10, 0] = np.nan
    watch.rollout(step=512, **given)
    watch.update()
    found = watch._monitor.history["data/reward_mean"][0]
    assert found == pytest.approx(given["rewards"][10:].mean(), rel=1e-6)


def literal_episodes(rewards, ends):
    """Returns and lengths, one step after the other."""
    found, sums = [], np.zeros((2, rewards.shape[1]))
    for reward, end in zip(rewards, ends, strict=True):
        sums += np.stack([reward, np.ones_like(reward)])
        found += [tuple(sums[:, i]) for i in np.flatnonzero(end)]
        sums[:, end] = 0
    return found


@pytest.mark.parametrize("share", [0.0, 0.02, 0.3, 1.0])
def test_episodes_go_on_from_rollout_to_rollout(share):
    rng = np.random.default_rng(3)
    rewards, ends = rng.normal(size=(40, 2)), rng.random((40, 2)) < share
    episodes = Episodes()
    for part in range(0, 40, 8):
        episodes.take(rewards[part : part + 8], ends[part : part + 8])
    expected = literal_episodes(rewards, ends)
    assert len(episodes._ended) == len(expected)
    if expected:
        np.testing.assert_allclose(np.array(episodes._ended), np.array(expected), atol=1e-12)


def test_episodes_go_on_after_an_interruption():
    rng = np.random.default_rng(4)
    rewards, ends = rng.normal(size=(40, 2)), rng.random((40, 2)) < 0.2
    first, whole = Episodes(), Episodes()
    whole.take(rewards, ends)
    first.take(rewards[:17], ends[:17])
    resumed = Episodes(json.loads(json.dumps(first.state)))
    resumed.take(rewards[17:], ends[17:])
    assert resumed.numbers() == pytest.approx(whole.numbers())
    assert Episodes(Episodes().state).numbers() == {}


def acting(acts, noise=0.0, scale=1.0, updates=20, valid=False):
    """Causes named in a loop whose observations follow its actions, or do not."""
    rng = np.random.default_rng(0)
    watch = watch_of(total_timesteps=updates * 512, actions=3)
    for update in range(updates):
        actions = rng.integers(0, 3, (T, B))
        pushes = np.concatenate([np.zeros((1, B)), actions[:-1] * acts])
        position = rng.normal(size=(T, B)).cumsum(axis=0)
        seen = np.stack([scale * position, pushes + rng.normal(size=(T, B))], axis=-1)
        told = rollout(update, observations=seen, actions=actions, rewards=-np.abs(position))
        told["rewards"] = told["rewards"] + noise * rng.normal(size=(T, B))
        if valid:
            told["valid"] = rng.random((T, B)) < 0.9
        watch.rollout(step=(update + 1) * 512, **told)
        watch.update()
    return {found.cause for found in watch.close().findings}


@pytest.mark.parametrize("valid", [False, True])
def test_what_single_steps_say_of_the_environment(valid):
    causes = {"environment.action-ignored", "reward.random"}
    causes |= {"environment.observation-scales-differ"}
    assert not causes & acting(1.0, valid=valid)
    assert causes & acting(0.0, valid=valid) == {"environment.action-ignored"}
    assert causes & acting(1.0, noise=1e4, valid=valid) == {"reward.random"}
    huge = acting(1.0, scale=1e3, valid=valid)
    assert causes & huge == {"environment.observation-scales-differ"}


def test_observations_of_another_shape_are_refused():
    with pytest.raises(UserError, match=r"observations has shape \(3, 8, 2\)"):
        watch_of().rollout(step=512, **rollout(observations=np.zeros((3, B, 2))))


def test_observations_may_have_names_and_hold_images():
    """And the dimension of a single environment may be missing."""
    rng = np.random.default_rng(0)
    numbers = {}
    several = {"speed": rng.normal(size=(T, B, 3)), "camera": np.zeros((T, B, 4, 4), np.uint8)}
    images = np.zeros((T, B, 4, 4), np.uint8)
    alone = rollout(shape=(300, 1), observations=rng.normal(size=(300, 2)))
    for name, given in {
        "several": rollout(observations=several), "images": rollout(observations=images),
        "alone": alone,
    }.items():  # fmt: skip
        watch = watch_of()
        watch.rollout(step=512, **given)
        watch.update()
        assert not watch.failure
        numbers[name] = set(watch._monitor.history)
    assert "data/action_chance" in numbers["several"]
    assert "data/action_chance" in numbers["alone"]
    assert "data/action_chance" not in numbers["images"]


def test_an_observation_that_is_no_number_is_named_in_a_loop():
    seen = np.zeros((T, B, 2))
    seen[5, 3, 1] = np.nan
    watch = watch_of()
    watch.rollout(step=512, **rollout(observations=seen))
    watch.update()
    (found, *_) = watch.close().findings
    assert found.cause == "environment.observation-not-finite"


@pytest.mark.parametrize("varied", [False, True])
def test_a_reward_that_is_always_the_same_is_named(varied):
    """Each step costs 1, and each episode lasts as long as the others."""
    watch = watch_of(total_timesteps=40 * 512)
    ends = np.zeros((T, B))
    ends[T // 2 - 1 :: T // 2] = 1
    for update in range(40):
        rewards = -np.ones((T, B))
        if varied:
            rewards[0], rewards[1] = -1.5, -0.5
        watch.rollout(step=(update + 1) * 512, **rollout(update, rewards=rewards, dones=ends))
        watch.update()
    named = "reward.constant" in {found.cause for found in watch.close().findings}
    assert named is not varied


def test_episodes_that_are_told_replace_those_of_the_rewards():
    watch = watch_of()
    watch.rollout(step=512, **rollout(dones=np.ones((T, B))))
    watch.episode(torch.tensor([100.0, 200.0]), [10, 20])
    watch.rollout(step=1024, **rollout(dones=np.ones((T, B))))
    watch.update()
    history = watch._monitor.history
    assert history["rollout/ep_rew_mean"][0] == 150
    assert history["rollout/ep_len_max"][0] == 20


def test_rows_keep_their_distance(tmp_path):
    watch = watch_of(tmp_path, every=None, total_timesteps=1_000_000)
    for step in range(512, 10_241, 512):
        watch.rollout(step=step, **rollout())
        watch.update(loss=1.0)
    steps = watch._monitor.history.steps
    assert (np.diff(steps) >= 2500).all()
    assert len(steps) == 4


@pytest.mark.parametrize("where", ["rewards", "values", "advantages"])
def test_what_is_not_finite_first_is_named(where):
    spoilt = rollout()
    spoilt[where][7, 2] = np.nan
    watch = watch_of()
    watch.rollout(step=512, **spoilt)
    raised = watch.update(loss=np.nan)
    trainer = "optimiser.not-finite"
    assert raised[0].cause == ("reward.not-finite" if where == "rewards" else trainer)
    assert raised[0].evidence[0].where == f"{where} of the rollout, step 7 of it"
    assert watch.close().verdict == "BROKEN"


def test_a_weight_that_is_not_finite_is_named():
    agent, optimizer = network()
    watch = watch_of(networks=agent)
    watch.rollout(step=512, **rollout())
    learn(agent, optimizer)
    with torch.no_grad():
        agent["actor"][0].weight[0, 0] = torch.inf
    raised = watch.update()
    assert raised[0].evidence[0].where == "weights: actor.0.weight"


def test_it_stops_where_it_is_asked_to(tmp_path):
    watch = watch_of(tmp_path, stop_on_error=True)
    watch.rollout(step=512, **rollout())
    with pytest.raises(AlertError, match="not-finite"):
        watch.update(loss=float("inf"))
    watch.close()
    assert plumbrl.diagnose(tmp_path).verdict == "BROKEN"


class Replay:
    """Off-policy updates of a critic with planted Q-values."""

    def __init__(self, seed=0, n=64):
        rng = np.random.default_rng(seed)
        self.rewards, self.terminal = rng.uniform(0, 1, (n, 1)), rng.random((n, 1)) < 0.1
        self.q = [rng.normal(5, 1, (n, 1)) for _ in range(2)]
        self.targets = self.q[0] + rng.normal(0, 0.1, (n, 1))

    def numbers(self, **changed):
        return {"q_values": self.q, "targets": self.targets, "rewards": self.rewards,
                "terminal": self.terminal, "actor_loss": -1.0, "alpha": 0.2} | changed  # fmt: skip


def test_off_policy_one_line_is_enough(tmp_path):
    agent, optimizer = network()
    watch = watch_of(tmp_path, algo="SAC", networks=dict(agent.items()), every=100)
    for step in range(50, 1001, 50):
        learn(agent, optimizer, steps=2)
        watch.episode(float(step), 10)
        watch.update(step=step, **Replay(step).numbers())
    watch.close()
    _, rows = rows_of(tmp_path)
    assert len(rows) == 10
    row = rows[-1]
    assert row["train/actor_loss"] == -1.0
    assert row["train/ent_coef"] == 0.2
    assert row["value/td_abs_mean"] == pytest.approx(0.08, abs=0.03)
    assert {"value/q_mean", "value/twin_gap", "gradient/critic_norm", "time/fps"} <= set(row)
    assert row["value/outside_feasible"] == 0
    assert not {"train/targets", "train/rewards", "train/q_values"} & set(row)


@pytest.mark.parametrize(("times", "share"), [(1.4, 0.0), (1.7, 1.0)])
def test_optimism_is_no_divergence(tmp_path, times, share):
    """Rewards below 1 at gamma 0.98 allow values of 50."""
    watch = watch_of(tmp_path, algo="DQN", gamma=0.98, every=100)
    replay = Replay()
    replay.rewards[:] = 1.0
    for step in range(100, 4001, 100):
        watch.update(step=step, **replay.numbers(q_values=[np.full((64, 1), times * 50)]))
    report = watch.close()
    _, rows = rows_of(tmp_path)
    assert rows[-1]["value/outside_feasible"] == share
    assert ("value.q-diverges" in [f.cause for f in report.findings]) == bool(share)


def test_acting_between_gradient_steps_hides_no_units():
    """The largest batch tells of units, not the single observation that was acted on last."""
    agent, optimizer = network()
    watch = watch_of(algo="DQN", networks=agent, every=10)
    for step in range(10, 41, 10):
        learn(agent, optimizer)
        agent["critic"](torch.zeros(1, 3))
        watch.update(step=step, loss=1.0)
    assert np.isfinite(watch._monitor.history["network/dormant"][1:]).all()


def test_q_values_beyond_what_rewards_allow_are_found_off_policy():
    causes = []
    for size in (1.0, 1e4):
        watch = watch_of(algo="SAC", buffer_size=1000, total_timesteps=1000)
        for step in range(20, 1001, 20):
            replay = Replay(step)
            watch.update(step=step, **replay.numbers(q_values=[size * q for q in replay.q]))
        causes.append({found.cause for found in watch.findings})
    assert "value.q-diverges" not in causes[0]
    assert "value.q-diverges" in causes[1]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"rewards": np.zeros(3)}, "rewards has shape (3,), but (64,) is needed beside q_values."),
        ({"q_values": [np.zeros(3), np.zeros(4)]}, "q_values has critics of different lengths"),
        ({"q_values": np.zeros((4, 4, 4))}, "q_values has shape (4, 4, 4), not (n,)"),
        ({"actions": np.zeros(64)}, "actions has shape (64,), but (64, A)"),
    ],
)
def test_a_draw_that_does_not_fit_is_said(changed, said):
    with pytest.raises(UserError) as error:
        watch_of(algo="SAC").update(step=512, **Replay().numbers(**changed))
    assert str(error.value).startswith(said)


def test_off_policy_needs_a_step():
    with pytest.raises(UserError, match="step="):
        watch_of(algo="DQN").update(loss=1.0)


def test_q_values_alone_are_a_number():
    watch = watch_of(algo="DQN")
    watch.update(step=512, q_values=torch.tensor([1.0, 3.0]), td_loss=0.5)
    history = watch._monitor.history
    assert history["value/q_mean"][0] == 2
    assert history["train/loss"][0] == 0.5


def test_the_log_ratio_says_how_far_the_policy_moved():
    watch = watch_of()
    watch.rollout(step=512, **rollout())
    watch.update(logratio=torch.full((32,), 0.1))
    history = watch._monitor.history
    assert history["policy/kl_k1"][0] == pytest.approx(-0.1)
    assert history["train/approx_kl"][0] == pytest.approx(np.exp(0.1) - 1 - 0.1, rel=1e-5)
    assert history["policy/ess"][0] == pytest.approx(1)
    assert "train/logratio" not in history


def test_a_loop_without_torch_does_not_load_it():
    code = (
        "import sys, plumbrl, numpy as np\n"
        "watch = plumbrl.Watch(None, algo='PPO', gamma=0.99)\n"
        "one = np.ones((8, 2))\n"
        "names = 'rewards', 'values', 'advantages', 'returns', 'dones'\n"
        "watch.rollout(step=512, **dict.fromkeys(names, one))\n"
        "watch.update(loss=1.0)\n"
        "assert not watch.failure\n"
        "print(*{'torch', 'stable_baselines3', 'matplotlib'} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (run.returncode, run.stdout.strip()) == (0, ""), run.stderr


def test_updates_between_rows_cost_little():
    """A rollout that makes no row takes a small part of the time of one that does."""
    agent, optimizer = network()
    watch = watch_of(networks=agent, every=10**9)
    begin = time.perf_counter()
    for update in range(100):
        watch.rollout(step=update, **rollout())
        watch.update(loss=torch.tensor(1.0))
    assert (time.perf_counter() - begin) / 100 < 0.01
    learn(agent, optimizer)
    assert len(watch._monitor) == 0


@pytest.mark.slow
def test_the_example_trains_and_reports(tmp_path, capsys):
    example = runpy.run_path(str(EXAMPLE), run_name="example")
    out = tmp_path / "run"
    watch = example["main"](example["Args"](out=str(out), total_timesteps=20_480))
    assert not watch.failure
    verdict = capsys.readouterr().out.splitlines()[0]
    assert verdict in ("HEALTHY", "NOT_CONVERGED")
    assert plumbrl.diagnose(out).verdict == verdict
    history = watch._monitor.history
    assert history["rollout/ep_rew_mean"][-1] > 3 * history["rollout/ep_rew_mean"][0]
