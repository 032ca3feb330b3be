"""Evaluation: the same held-out episodes for all, success beside return, and nothing flattered."""

import json
import shutil
import subprocess
import sys

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from rich.console import Console

from ballbot.config import make_config
from plumbrl.cli import evaluate as command
from plumbrl.cli.terrains import grounds, on_ground
from plumbrl.errors import UserError
from plumbrl.metrics.episodes import Evaluation
from plumbrl.metrics.outcomes import difference, succeeded, summarize
from plumbrl.metrics.statistics import Interval
from plumbrl.report.evaluation import ground_table, number, outcome_table, percent
from plumbrl.training.config import EnvSection
from plumbrl.training.envs import make_vector
from plumbrl.training.evaluate import compare, evaluate, evaluate_fresh
from plumbrl.training.evaluation import held_out, study
from plumbrl.training.policy import load_policy
from tiny_run import Sensors, tiny_run

BALLBOT = {"id": "ballbot:Ballbot-v0", "kwargs": {"episode_seconds": 1.0}}
ROBOT = EnvSection(**BALLBOT)


class Walk(Sensors):
    """Counts the actions; ends terminally at a bound, says whether it was the right one."""

    observation_space = spaces.Box(-10, 10, (1,), np.float32)
    action_space = spaces.Box(np.array([-3.0], np.float32), np.array([1.0], np.float32))

    def reset(self, *, seed=None, options=None):
        super(Sensors, self).reset(seed=seed)
        self.at = self.np_random.uniform(-1, 1)
        return self._observation(), {}

    def step(self, action):
        self.at += float(action[0])
        ended = abs(self.at) > 3
        info = {"height": abs(self.at)} | ({"is_success": self.at > 3} if ended else {})
        return self._observation(), 1.0, ended, False, info

    def _observation(self):
        return np.array([self.at], dtype=np.float32)


class Unmarked(Walk):
    """The same, but it does not say whether it succeeded."""

    def step(self, action):
        *rest, info = super().step(action)
        return (*rest, {"height": info["height"]})


gymnasium.register("Walk-v0", Walk, max_episode_steps=10)
gymnasium.register("Unmarked-v0", Unmarked, max_episode_steps=10)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return tiny_run(tmp_path_factory.mktemp("runs"), BALLBOT, steps=512)


@pytest.fixture(scope="module")
def cartpole(tmp_path_factory):
    kwargs = {"n_steps": 64, "batch_size": 256, "n_epochs": 8, "learning_rate": 1e-2}
    root = tmp_path_factory.mktemp("runs")
    return tiny_run(root, "CartPole-v1", steps=4096, num_envs=8, kwargs=kwargs)


def always(value):
    return lambda obs: np.full((len(obs), 1), value, dtype=np.float32)


def walk(num, env="Walk-v0"):
    return make_vector(EnvSection(id=env), num)


def episodes(name, returns, terminated=None, **metrics):
    returns = np.asarray(returns, dtype=float)
    ends = np.zeros(len(returns), bool) if terminated is None else np.asarray(terminated, bool)
    arrays = {key: np.asarray(value, dtype=float) for key, value in metrics.items()}
    return Evaluation(name, np.arange(len(ends)), returns, np.ones(len(ends)), ends, {}, arrays)


def test_chunks_give_what_all_at_once_gives():
    env, seeds = make_vector(ROBOT, 10), np.arange(100, 110)
    act = lambda obs: obs["proprioception"][:, :3]  # noqa: E731
    whole = evaluate("x", env, act, seeds)
    parts = evaluate("x", make_vector(ROBOT, 4), act, seeds)
    assert np.array_equal(whole.returns, parts.returns)
    assert np.array_equal(whole.lengths, parts.lengths)
    assert sum(parts.causes.values()) == 10
    assert whole.causes == parts.causes
    assert whole.metrics.keys() == parts.metrics.keys()
    for name, values in whole.metrics.items():
        assert np.allclose(values, parts.metrics[name]), name
        assert len(values) == 10


def test_a_policy_is_made_anew_for_every_chunk():
    made = []
    evaluate_fresh("x", walk(4), lambda: made.append(1) or always(1.0), np.arange(10))
    assert len(made) == 3


def test_metrics_of_the_action_and_of_the_last_step():
    found = evaluate("up", walk(3), always(1.0), np.arange(3)).metrics
    assert found["action_effort"] == pytest.approx(np.ones(3))  # 1 is the upper bound of [-3, 1]
    assert found["action_change"] == pytest.approx(np.zeros(3))
    assert (found["height_at_end"] > 3).all()
    assert found["is_success_at_end"].tolist() == [1, 1, 1]
    halfway = evaluate("x", walk(3), always(-1.0), np.arange(3)).metrics
    assert halfway["action_effort"] == pytest.approx(np.zeros(3))
    turn = iter([1.0, -3.0] * 20)
    shaken = evaluate("x", walk(3), lambda obs: always(next(turn))(obs), np.arange(3)).metrics
    assert shaken["action_change"] == pytest.approx(2 * np.ones(3))


def test_success_is_the_environments_word_or_no_terminal_end():
    seeds = np.arange(8)
    right = evaluate("up", walk(8), always(1.0), seeds)
    wrong = evaluate("down", walk(8), always(-3.0), seeds)
    still = evaluate("still", walk(8), always(0.0), seeds)
    assert right.terminated.all() and wrong.terminated.all()
    assert succeeded(right).all()
    assert not succeeded(wrong).any()
    assert succeeded(still).all()  # it ran out of time, and nothing was reported
    fell = evaluate("up", walk(8, "Unmarked-v0"), always(1.0), seeds)
    assert not succeeded(fell).any()
    told = summarize(right)
    assert (told.success.estimate, told.failure.estimate) == (1, 0)
    assert told.success.low == pytest.approx(0.676, abs=1e-3)  # Wilson for 8 of 8
    assert summarize(wrong).failure.estimate == 1


def test_differences_are_paired():
    rng = np.random.default_rng(0)
    hard = rng.normal(0, 100, 20)  # seeds differ far more than policies do
    better = difference(episodes("a", hard + 1), episodes("b", hard), "a", "b")
    assert better.returns.low > 0
    assert better.returns.estimate == pytest.approx(1)
    assert better.success == Interval(0, better.success.low, better.success.high)
    fell = episodes("c", hard, np.ones(20, bool))
    assert difference(episodes("a", hard), fell, "a", "c").success.low > 0.7
    other = Evaluation("d", np.arange(5, 25), hard, np.ones(20), np.zeros(20, bool), {}, {})
    with pytest.raises(ValueError, match="different seeds"):
        difference(other, fell, "d", "c")


def test_compares_the_robots_own_controllers():
    names = [e.policy for e in compare(make_vector(ROBOT, 4), {}, np.arange(4))]
    assert names == ["balance", "pid", "random"]


def test_seeds_of_training_are_refused(run):
    policy = load_policy(run)
    assert held_out(policy, 42, 10)[1] == []
    for first in (4990, 5000, 5003):  # training used 5000 to 5003
        with pytest.raises(UserError, match=r"5000 to 5003.*such as 5004"):
            held_out(policy, first, 11)
    assert held_out(policy, 5004, 10)[1] == []
    assert held_out(policy, 4989, 11)[1] == []


def test_seeds_that_chose_the_best_model_are_told(run, tmp_path):
    folder = shutil.copytree(run, tmp_path / "run")
    first = load_policy(folder).config.eval.seed + 4
    assert held_out(load_policy(folder), first, 4)[1] == []  # the final model was not chosen
    for name in ("model.zip", "normalizer.npz"):
        shutil.copy(folder / name, folder / f"best_{name}")
    best = load_policy(folder)
    assert "chosen" in held_out(best, first, 4)[1][0]
    assert held_out(best, first + 4, 4)[1] == []


def test_a_whole_study(run, capsys):
    code = command.run([str(run), "--n_test", "6", "--terrains", "flat", "stepped", "--json"])
    found = json.loads(capsys.readouterr().out)
    assert code == (0 if found["better_than_random"] else 3)
    names = ["trained", "trained, sampled", "balance", "pid", "random"]
    assert [p["policy"] for p in found["policies"]] == names
    assert [d["against"] for d in found["differences"]] == names[1:]
    assert found["seeds"] == [42 + i for i in range(6)]
    assert list(found["elsewhere"]) == ["stepped"]  # flat is where it was trained
    stepped = found["elsewhere"]["stepped"]
    assert [p["policy"] for p in stepped] == ["trained", "balance"]
    assert [d["against"] for d in found["shifts"]["stepped"]] == ["where trained", "balance"]
    for p in found["policies"]:
        each = p["each"]
        assert len(each["returns"]) == 6
        assert p["returns"]["estimate"] == pytest.approx(np.mean(each["returns"]))
        assert p["success"]["estimate"] == pytest.approx(1 - np.mean(each["terminated"]))
        assert {"speed_along_target", "tilt", "distance_at_end", "action_effort"} <= set(each)
    gain = found["differences"][-1]["returns"]
    assert found["better_than_random"] == (gain["low"] > 0)
    balance = found["policies"][2]
    assert balance["success"]["estimate"] == 1
    (file,) = run.glob("evaluation_*.json")
    assert json.loads(file.read_text()) == found
    assert "terminal state" in found["success"]


def test_nothing_is_overwritten(run):
    policy = load_policy(run)
    result = study(policy, np.arange(2), sampled=False, num_envs=2)
    from plumbrl.training.evaluation import save

    files = {save(result) for _ in range(3)}
    assert len(files) == 3
    assert all(file.is_file() for file in files)


def test_a_learned_policy_passes_and_an_unlearned_one_does_not(cartpole, capsys):
    assert command.run([str(cartpole), "--n_test", "20", "--terrains", "all"]) == 0
    said = capsys.readouterr().out
    assert "better than random actions" in said
    assert "CartPole-v1 has no terrains" in said
    policy = load_policy(cartpole)
    for parameter in policy.model.policy.parameters():
        parameter.data.zero_()  # now always the same action
    result = study(policy, np.arange(20), sampled=False)
    assert not result.better_than_random


def test_a_policy_that_is_not_better_than_random_exits_3(cartpole, tmp_path, capsys):
    import torch

    from plumbrl.training.saving import save_model

    policy = load_policy(cartpole)
    for parameter in policy.model.policy.parameters():
        torch.nn.init.zeros_(parameter)
    folder = shutil.copytree(cartpole, tmp_path / "run")
    save_model(policy.model, folder / "model.zip")
    assert command.run([str(folder), "--n_test", "20", "--no-sampled"]) == 3
    assert "NOT better than random" in capsys.readouterr().out


def test_grounds_are_named_with_their_levels():
    found = grounds(ROBOT, ("perlin", "hills"))
    assert list(found) == ["perlin:easy", "perlin:standard", "perlin:hard", "hills"]
    heights = [make_config(**found[f"perlin:{level}"].kwargs).terrain for level in
               ("easy", "standard", "hard")]  # fmt: skip
    assert [t.level for t in heights] == ["easy", "standard", "hard"]
    assert {t.half_size for t in heights} == {10.0}
    everything = grounds(ROBOT, ("all",))
    assert len(everything) == 13  # 12 kinds but flat and mixed, two more levels of perlin
    for name, env in everything.items():
        assert make_config(**env.kwargs).terrain.type == name.partition(":")[0]


def test_grounds_keep_the_size_and_leave_out_the_training_ground():
    kwargs = {"terrain": {"type": "perlin", "half_size": 7, "resolution": 200, "height": 0.3}}
    env = EnvSection(id=ROBOT.id, kwargs=kwargs)
    hard = make_config(**on_ground(env, "perlin:hard").kwargs).terrain
    assert (hard.half_size, hard.resolution, hard.height) == (7, 200, None)
    assert list(grounds(env, ("perlin:easy", "flat"))) == ["perlin:easy", "flat"]
    own = EnvSection(id=ROBOT.id, kwargs={"terrain": {"type": "perlin", "level": "hard"}})
    assert list(grounds(own, ("perlin",))) == ["perlin:easy", "perlin:standard"]


@pytest.mark.parametrize(
    ("args", "hint"),
    [
        (["{run}", "--terrains", "perln"], "'perlin'"),
        (["{run}", "--terrains", "perlin:hrd"], "'hard'"),
        (["{run}", "--terrains", "hills:hard"], "no levels"),
        (["{run}", "--override_terrain_type", "stepd"], "'stepped'"),
        (["{run}", "--n_test", "1"], "n_test"),
        (["{run}", "--seed", "-1"], "seed"),
        (["{run}", "--seed", "5000"], "5000 to 5003"),
        (["{run}", "--path", "{run}"], "name one"),
        ([], "name one"),
        (["nowhere"], "nowhere"),
        (["{run}", "--algo", "sac"], "PPO, not SAC"),
        (["{run}", "--config", "nowhere.yaml"], "nowhere.yaml"),
        (["{run}", "--env", "CartPole-v1"], "observations"),
        (["{run}", "--which", "bets"], "bets"),
    ],
)
def test_wrong_usage_gets_one_sentence_and_exit_2(args, hint, run, capsys):
    given = [arg.format(run=run) for arg in args]
    try:
        command.run(given)
    except UserError as error:
        assert "\n" not in str(error)
        assert hint in str(error)
    except SystemExit as error:
        assert error.code == 2
        said = capsys.readouterr()
        assert hint in said.out + said.err
    else:
        pytest.fail("nothing was refused")


def test_the_published_usage_works(run, capsys):
    args = f"--algo ppo --path {run / 'model.zip'} --n_test 4 --seed 7 "
    code = command.run([*args.split(), "--override_terrain_type", "flat"])
    said = capsys.readouterr().out
    assert code in (0, 3)
    assert "flat: 4 held-out episodes each, seeds 7 to 10" in said


def outcomes_of(names):
    rng = np.random.default_rng(0)
    return [
        summarize(episodes(n, rng.normal(100, 30, 32), rng.random(32) < 0.3, tilt=rng.random(32)))
        for n in names
    ]


@pytest.mark.parametrize("width", [80, 120, 200])
def test_tables_fit_their_console(width):
    console = Console(width=width, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    grounds = ["where trained", "perlin:standard", "ridge_valley"]
    outcomes = outcomes_of(["trained", "trained, sampled", "balance"])
    shift = [difference(episodes("a", [-120, 3, 5]), episodes("b", [1, 2, 3]), "a", "b")] * 2
    shifts = {g: shift for g in grounds[1:]}
    console.print(outcome_table(outcomes, "title", width))
    console.print(ground_table(dict(zip(grounds, outcomes, strict=True)), shifts, "balance", width))
    console.file.close()
    text = console.export_text()
    assert "…" not in text
    assert max(len(line.rstrip()) for line in text.splitlines()) <= width
    assert ("failed %" in text) == (width >= 110)


def test_numbers_are_as_exact_as_their_interval():
    assert number(Interval(111.3, 103.2, 119.7)) == "111 [103, 120]"
    assert number(Interval(0.0123, -0.004, 0.5)) == "0.012 [-0.004, 0.500]"
    assert number(Interval(12345.6, 1.0, 99999.0)) == "12346 [1, 99999]"
    assert number(Interval(0.0, 0.0, 0.0)) == "0 [0, 0]"
    assert number(Interval(2.5, -1, 4), sign=True) == "+2.50 [-1.00, +4.00]"
    assert percent(Interval(1.0, 0.722, 1.0)) == "100 [72, 100]"


def test_help_says_what_success_is_and_loads_nothing_heavy():
    program = (
        "import sys\nfrom plumbrl.cli import evaluate\n"
        "try: evaluate.run(['--help'])\nexcept SystemExit: pass\n"
        "print([m for m in ('torch', 'mujoco', 'stable_baselines3') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert run.stdout.rstrip().endswith("[]"), run.stderr
    assert "fails if it ends in a terminal state" in run.stdout
