"""Pictures of how a policy behaves and what is inside it, of a real training."""

from dataclasses import replace
from pathlib import Path

import matplotlib
import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from plumbrl.cli import main
from plumbrl.plots import attended, behaviour, internals, network_figures, policy_figures
from plumbrl.plots.coverage import coverage, projection
from plumbrl.snapshots.recording import Recording, Recordings
from plumbrl.training.internals import look_inside
from plumbrl.training.policy import load_policy
from plumbrl.training.recording import record
from plumbrl.training.saving import save_model
from tiny_run import tiny_run

SEEDS = np.arange(7000, 7003)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run with a model that was kept earlier, whose value network has not moved since."""
    path = tiny_run(tmp_path_factory.mktemp("runs"))
    model = load_policy(path).model
    with torch.no_grad():
        model.policy.action_net.weight += 0.1
    save_model(model, path / "checkpoints/model_128_steps.zip")
    return path


@pytest.fixture(scope="module")
def recorded(run):
    return record(load_policy(run), SEEDS)


@pytest.fixture(scope="module")
def inside(run):
    return look_inside(load_policy(run), 7000)


def axes():
    return Figure().add_subplot()


def title(ax):
    return ax.get_title(loc=matplotlib.rcParams["axes.titlelocation"])


def made(actions, discrete=False, low=-1.0, high=1.0):
    """Recordings of one episode with given actions, (T, A)."""
    steps, count = actions.shape
    rows = np.zeros(steps)
    one = Recording(0, np.zeros((steps, 0)), actions, rows, rows, rows, {}, "fall", True)
    bounds = np.full(count, low), np.full(count, high)
    return Recordings((one,), (), *bounds, discrete, (), np.empty((0, count)), 0)


def test_episodes_are_recorded_as_the_policy_made_them(recorded):
    assert [e.seed for e in recorded.deterministic] == SEEDS.tolist()
    for episode in (*recorded.deterministic, *recorded.stochastic):
        assert episode.observations.shape == (200, 3)
        assert episode.cause == "time limit" and not episode.terminated
        assert np.abs(episode.actions).max() <= 2
        rewards, returns = episode.rewards, episode.returns
        scale = (rewards[:-1] / (returns[:-1] - 0.99 * returns[1:])).round(6)
        assert np.ptp(scale) < 1e-4  # Bellman: a return is a scaled reward and the next return
    first, again = recorded.deterministic[0], recorded.stochastic[0]
    np.testing.assert_array_equal(first.observations[0], again.observations[0])
    assert recorded.samples.std() > 0.1
    assert recorded.names == ("obs[0]", "obs[1]", "obs[2]")


def test_pictures_of_internals_are_written(inside, tmp_path):
    cameras = ("attention", "reconstruction")  # this policy has none
    for name, figure in network_figures.FIGURES.items():
        path = tmp_path / f"{name}.png"
        assert figure(inside, "tiny", path, "light") == (None if name in cameras else path)
        assert path.exists() == (name not in cameras)


def test_saturation_is_said_of_a_planted_policy_and_not_of_a_healthy_one(run, recorded):
    assert "SATURATED" not in behaviour.action_state(recorded, 0)[0]
    policy = load_policy(run)
    with torch.no_grad():
        policy.model.policy.action_net.bias += 50.0
    pushed = record(policy, SEEDS[:1])
    ax = axes()
    behaviour.action_distribution(ax, pushed, 0)
    assert title(ax) == "action 0: CONSTANT at 2"
    rng = np.random.default_rng(0)
    at_bounds = made(np.sign(rng.normal(size=(500, 1))))
    assert behaviour.action_state(at_bounds, 0) == ("SATURATED: 100% at a bound", True)
    assert behaviour.action_state(made(rng.uniform(-1, 1, (500, 1))), 0)[1] is False
    free = made(rng.normal(size=(500, 1)), low=-np.inf, high=np.inf)
    assert behaviour.action_state(free, 0) == ("no bounds", False)


def test_discrete_actions_have_bars_and_are_judged_by_their_variety():
    rng = np.random.default_rng(0)
    several = made(rng.integers(0, 3, (90, 1)).astype(float), True, 0, 2)
    assert behaviour.action_state(several, 0) == ("3 of 3 taken", False)
    one = made(np.ones((90, 1)), True, 0, 2)
    assert behaviour.action_state(one, 0) == ("CONSTANT: 1 of 3 taken", True)
    ax = axes()
    behaviour.action_distribution(ax, one, 0)
    assert [patch.get_height() for patch in ax.patches] == [0, 1, 0]


def test_shaking_is_told_from_smooth_control():
    t = np.arange(200.0)[:, None]
    for actions, said in ((np.sin(t / 50), "0."), ((-1.0) ** t, "100.0%")):
        ax = axes()
        data = made(actions)
        behaviour.action_trajectory(ax, data.deterministic[0], data, 0)
        assert title(ax).startswith(f"action 0: {said}")


def test_ends_are_counted_with_their_intervals():
    episodes = made(np.zeros((5, 1))).deterministic * 3
    episodes += tuple(replace(e, cause="time limit", terminated=False) for e in episodes[:1])
    assert behaviour.ends(episodes) == [("fall", 3, 5.0, 0.0), ("time limit", 1, 5.0, 0.0)]
    ax = axes()
    behaviour.end_causes(ax, replace(made(np.zeros((5, 1))), deterministic=episodes))
    assert [bar.get_width() for bar in ax.patches] == [0.75, 0.25]
    assert [bool(bar.get_hatch()) for bar in ax.patches] == [True, False]


def test_a_policy_without_distribution_or_value_says_so(recorded):
    ax = axes()
    behaviour.uncertainty(ax, replace(recorded, samples=np.empty((0, 1))), 0)
    assert "always sure" in ax.texts[0].get_text().replace("\n", " ")
    blind = replace(recorded.deterministic[0], values=np.full(200, np.nan))
    ax = axes()
    behaviour.value_over_episode(ax, blind)
    assert "no value function" in ax.texts[0].get_text().replace("\n", " ")
    ax = axes()
    coverage(ax, made(np.zeros((5, 1))))
    assert len(ax.texts) == 1


def test_states_are_shown_along_the_directions_in_which_they_vary():
    rng = np.random.default_rng(0)
    hidden = rng.normal(size=(400, 2)) * [3, 1]
    states = np.column_stack([hidden[:, 0], hidden[:, 0], hidden[:, 1], np.zeros(400)])
    project, labels = projection(states, ("a", "b", "c", "still"))
    assert labels[0].startswith("PCA 1 (67%)") and "still" not in "".join(labels)
    assert abs(np.corrcoef(project(states)[:, 0], hidden[:, 0])[0, 1]) > 0.999
    plain, names = projection(hidden, ("x", "y"))
    assert names == ("x", "y") and plain(hidden) is hidden


def test_internals_of_a_healthy_policy_raise_no_flag(inside):
    assert {v.shape for v in inside.activations.values()} == {(512, 16)}
    assert set(internals.flow(inside.gradients).values()) == {""}
    for name, values in inside.activations.items():
        ax = axes()
        internals.activation_map(ax, values, name)
        assert "0 of 16 dormant" in title(ax)
    assert inside.saliency["action"].shape == (3,)
    assert inside.notes == ("no attention: its features extractor has none.",)


def test_weights_that_stand_still_are_marked(inside):
    assert inside.between == (128, 256)
    moved = {name for name, change in inside.changes.items() if change.change > 0}
    assert moved == {"action_net.weight"}
    ax = axes()
    internals.weight_changes(ax, inside.changes)
    marked = [text.get_text().strip() for text in ax.texts]
    assert marked == ["STANDS STILL"] * (len(inside.changes) - 1)


def test_planted_faults_are_seen_and_looking_changes_nothing(run):
    policy = load_policy(run)
    nets = policy.model.policy.mlp_extractor
    with torch.no_grad():
        for net in (nets.policy_net, nets.value_net):
            net[0].weight[:, 2] = 0  # a number that is not used
        nets.policy_net[0].weight[:5] = nets.policy_net[0].bias[:5] = 0
    before = {k: v.clone() for k, v in policy.model.policy.state_dict().items()}
    found = look_inside(policy, 7000)
    after = policy.model.policy.state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before)
    ax = axes()
    internals.activation_map(ax, found.activations["mlp_extractor.policy_net.1"], "layer")
    assert "5 of 16 dormant" in title(ax)
    assert [patch.get_hatch() for patch in ax.patches] == ["////"]
    assert found.saliency["action"][2] == found.saliency["value"][2] == 0
    assert found.saliency["action"][:2].min() > 0
    ax = axes()
    attended.saliency(ax, found.saliency, ("a", "b", "c"))
    assert ax.get_yticklabels()[-1].get_text() == "c"


def test_the_command_prints_what_ended_episodes_and_where_pictures_are(run, tmp_path, capsys):
    args = ["look", str(run), "--what", "behaviour", "--episodes", "2", "--theme", "dark"]
    args += ["--out", str(tmp_path)]
    with pytest.raises(SystemExit) as end:
        main(args)
    assert end.value.code == 0
    out = capsys.readouterr().out
    assert "time limit" in out and "stochastic" in out
    written = [Path(line) for line in out.splitlines() if line.endswith(".png")]
    assert [path.stem for path in written] == list(policy_figures.FIGURES)
    assert all(path.exists() for path in written)


@pytest.mark.parametrize(
    ("args", "hint"),
    [
        (["nowhere"], "nowhere"),
        ([".", "--episodes", "0"], "--episodes"),
        ([".", "--seed", "-1"], "--seed"),
        ([".", "--show"], "display"),
        (["."], "is no run folder"),
    ],
)
def test_bad_usage_gets_one_sentence(args, hint, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with pytest.raises(SystemExit) as end:
        main(["look", *args])
    said = capsys.readouterr().err
    assert end.value.code == 2
    assert hint in said
    assert len(said.strip().splitlines()) == 1
