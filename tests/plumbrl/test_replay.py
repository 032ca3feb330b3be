"""Recorded episodes: they are those of the evaluation, survive the disk, and play in one page."""

import io
import json
import re
import shutil
import zipfile
from dataclasses import fields, replace

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from plumbrl.cli import main
from plumbrl.errors import UserError
from plumbrl.metrics.episodes import Evaluation
from plumbrl.replay.episode import Episode, Pictures, Scene
from plumbrl.replay.files import read_episode, recorded, write_episode
from plumbrl.replay.film import FPS, film
from plumbrl.replay.html import replay_page, write_replay
from plumbrl.replay.panels import panels
from plumbrl.replay.pictures import BUDGET, Album, decoded
from plumbrl.replay.record import build, discounted, record
from plumbrl.replay.viewer import play
from plumbrl.training.config import EnvSection
from plumbrl.training.envs import make_vector
from plumbrl.training.episodes import record_extremes, record_seeds
from plumbrl.training.evaluate import evaluate
from plumbrl.training.policy import load_policy
from tiny_run import tiny_run

GROUND = {"type": "perlin", "half_size": 3.0, "resolution": 64}
BALLBOT = {"id": "ballbot:Ballbot-v0", "kwargs": {"episode_seconds": 1.0, "terrain": GROUND}}
SEEDS = 100 + np.arange(5)


class Lights(gymnasium.Env):
    """Shows a picture of its counter; ends at 12, and says nothing of the reward."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}  # noqa: RUF012
    observation_space = spaces.Box(-np.inf, np.inf, (1,), np.float32)
    action_space = spaces.Discrete(3)

    def __init__(self, render_mode=None, broken=False):
        self.render_mode, self._broken = render_mode, broken

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.at = 0
        return self._observation(), {}

    def step(self, action):
        self.at += 1
        reward = float(self.np_random.normal()) + action
        return self._observation(), reward, self.at == 12, False, {"level": self.at / 12}

    def render(self):
        if self._broken:
            raise RuntimeError("no lamp")
        return np.full((40, 60, 3), 20 * self.at, np.uint8)

    def _observation(self):
        return np.array([self.at], np.float32)


gymnasium.register("Lights-v0", entry_point=Lights)
gymnasium.register("Dark-v0", entry_point=lambda **kwargs: Lights(broken=True, **kwargs))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return tiny_run(tmp_path_factory.mktemp("runs"), BALLBOT)


@pytest.fixture(scope="module")
def policy(run):
    return load_policy(run)


@pytest.fixture(scope="module")
def evaluation(policy):
    env = make_vector(policy.env, 3)
    return evaluate("trained", env, policy.acting_in(env), SEEDS)


@pytest.fixture(scope="module")
def files(policy, evaluation):
    return record_extremes(policy, evaluation, rows=3)


@pytest.fixture(scope="module")
def fall(files):
    return read_episode(files[0][0])


def lights(env="Lights-v0", **more):
    made = build(env, {})
    return record(made, lambda obs: 1, 7, name=(env, {}), **more)


def same(a, b):
    if isinstance(a, np.ndarray):
        return np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, Scene | Pictures):
        return all(same(getattr(a, f.name), getattr(b, f.name)) for f in fields(a))
    return a == b


def test_the_worst_and_the_best_are_recorded_as_they_were_evaluated(files, evaluation):
    paths, notes = files
    kept = [read_episode(path) for path in paths]
    order = np.argsort(evaluation.returns, kind="stable")
    wanted = evaluation.seeds[[order[0], order[1], order[-1]]]
    assert [episode.seed for episode in kept] == wanted.tolist()
    returns = dict(zip(evaluation.seeds.tolist(), evaluation.returns, strict=True))
    lengths = dict(zip(evaluation.seeds.tolist(), evaluation.lengths, strict=True))
    for episode in kept:
        assert episode.total == pytest.approx(returns[episode.seed], rel=1e-12)
        assert episode.steps == lengths[episode.seed]
    assert notes == []


def test_an_episode_that_does_not_come_back_says_so(policy, evaluation, tmp_path):
    shutil.copytree(policy.folder, tmp_path / "run")
    other = replace(policy, folder=tmp_path / "run")
    wrong = replace(evaluation, returns=evaluation.returns - 1)
    files, notes = record_extremes(other, wrong, rows=3, worst=1)
    assert len(files) == 2 and all("not the" in note for note in notes) and len(notes) == 2


def test_terms_add_up_and_poses_follow_the_states(fall):
    assert sum(fall.terms.values()) == pytest.approx(fall.rewards)
    assert fall.seconds == pytest.approx(0.01)
    assert fall.actions.shape == (fall.steps, 3) and fall.low.tolist() == [-1, -1, -1]
    body = fall.scene.positions[:, fall.scene.followed]
    assert body == pytest.approx(fall.qpos[:, :3], abs=1e-6)
    assert fall.scene.ground.shape == (64, 64) and np.ptp(fall.scene.ground) > 0.01
    assert fall.observations["proprioception"].shape[0] == fall.steps + 1
    assert np.isfinite(fall.values).all() and fall.cause in ("tilt_exceeded", "max_steps")


def test_recording_leaves_the_episode_as_it_is():
    """Poses are worked out beside the simulation, whose next step depends on the last solution."""
    env = gymnasium.make("ballbot:Ballbot-v0")
    env.reset(seed=3)
    alone = [env.step(np.full(3, 0.1))[1] for _ in range(30)]
    seen = record(
        build("ballbot:Ballbot-v0", {}), lambda _: np.full(3, 0.1), 3, name=("", {}), most=30
    )
    assert seen.rewards.tolist() == alone


def test_a_file_gives_back_the_episode(fall, tmp_path):
    for episode in (fall, lights()):
        again = read_episode(write_episode(tmp_path / "e.npz", episode))
        for field in fields(Episode):
            assert same(getattr(episode, field.name), getattr(again, field.name)), field.name
    assert [p.name for p in tmp_path.iterdir()] == ["e.npz"]


def changed(path, **arrays):
    with np.load(path) as file:
        np.savez(path.with_name("x.npz"), **(dict(file) | arrays))
    return path.with_name("x.npz")


def about(path, **more):
    with np.load(path) as file:
        told = json.loads(str(file["about"])) | more
    return np.array(json.dumps(told))


def test_damaged_and_hostile_files_are_one_sentence(fall, tmp_path):
    path = write_episode(tmp_path / "e.npz", fall)
    whole = path.read_bytes()
    damaged = {
        "torn": whole[: len(whole) // 2], "empty": b"", "text": b"hello", "flipped": bytes(
            b ^ 255 if i in range(2000, 2100) else b for i, b in enumerate(whole)
        ),
    }  # fmt: skip
    for name, content in damaged.items():
        (tmp_path / f"{name}.npz").write_bytes(content)
    bad = [tmp_path / f"{name}.npz" for name in damaged]
    for path_ in bad:
        with pytest.raises(UserError, match=r"no episode file|Cannot read"):
            read_episode(path_)
    hostile = [
        {"rewards": np.array([{}], dtype=object)}, {"rewards": fall.rewards[:-1]},
        {"rewards": np.empty(0)}, {"actions": fall.actions[:, 0]}, {"about": np.array("{}")},
        {"about": about(path, schema=2)}, {"about": about(path, terms=["a"] * 99)},
        {"about": about(path, seconds=0)}, {"about": about(path, seconds="soon")},
        {"scene_owners": np.full_like(fall.scene.owners, 99)},
        {"scene_positions": fall.scene.positions[:-1]}, {"scene_followed": np.array(99)},
        {"scene_kinds": np.full_like(fall.scene.kinds, 7)}, {"scene_spans": np.zeros(4, int)},
    ]  # fmt: skip
    for arrays in hostile:
        with pytest.raises(UserError, match=r"no episode file|schema 2"):
            read_episode(changed(path, **arrays))
    with pytest.raises(UserError, match="Cannot read"):
        read_episode(tmp_path / "nowhere.npz")


def test_a_pickle_in_a_file_is_not_run(tmp_path, fall):
    path = write_episode(tmp_path / "e.npz", fall)
    ran = tmp_path / "ran"

    class Runs:
        def __reduce__(self):
            return ran.write_text, ("x",)

    content = io.BytesIO()
    np.save(content, np.array([Runs()], dtype=object), allow_pickle=True)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("values2.npy", content.getvalue())
    with pytest.raises(UserError, match="no episode file"):
        read_episode(path)
    assert not ran.exists()


def test_unsound_files_of_a_run_are_passed_over(fall, tmp_path):
    write_episode(tmp_path / "episodes/a.npz", fall)
    write_episode(tmp_path / "episodes/b.npz", replace(fall, rewards=fall.rewards - 1))
    (tmp_path / "episodes/c.npz").write_text("torn")
    assert [path.stem for path, _ in recorded(tmp_path)] == ["b", "a"]


def test_pictures_are_thinned_and_say_when_they_were_drawn():
    episode = lights()
    assert episode.pictures.at.tolist() == list(range(13)) and episode.seconds == 0.1
    levels = [decoded(file)[0, 0, 0] for file in episode.pictures.files]
    assert np.abs(np.array(levels, int) - 20 * np.arange(13)).max() <= 2
    album = Album(1 / 30)
    noise = np.random.default_rng(0)
    for step in range(40):
        if album.wants(step):
            album.add(step, noise.integers(0, 256, (480, 480, 3), dtype=np.uint8))
    kept = album.pictures()
    assert sum(map(len, kept.files)) <= BUDGET and 4 < len(kept.files) < 40
    assert len(set(np.diff(kept.at).tolist())) == 1


def test_what_cannot_be_drawn_is_recorded_all_the_same():
    episode = lights("Dark-v0")
    assert episode.pictures is None and episode.steps == 12
    assert episode.notes == ("The environment cannot be drawn: no lamp",)
    assert "nothing to see" in replay_page([episode], "dark")


def test_a_recording_that_fails_fails_no_evaluation(policy, evaluation):
    nowhere = ("there", EnvSection(id="Nowhere-v0"))
    files, notes = record_extremes(policy, evaluation, place=nowhere, rows=3)
    assert files == [] and len(notes) == 1 and notes[0].startswith("No episode was recorded: ")
    assert record_extremes(policy, evaluation, rows=3, worst=0) == ([], [])


def test_long_episodes_stop_and_say_so():
    episode = lights(most=5)
    assert episode.steps == 5 and not episode.terminated and "goes on" in episode.notes[0]


def test_what_came_is_discounted_and_goes_on_after_a_cut():
    assert discounted(np.array([1.0, 2.0]), 0.5, 8.0).tolist() == [4.0, 6.0]
    episode = lights(value=lambda obs, action: float(obs[0]), gamma=0.5)
    assert episode.values.tolist() == list(range(12))
    assert episode.returns[-1] == episode.rewards[-1]  # terminated: nothing is expected beyond
    cut = lights(value=lambda obs, action: float(obs[0]), gamma=0.5, most=3)
    assert cut.returns[-1] == cut.rewards[-1] + 0.5 * 3


def test_numbers_that_are_none_do_not_break_the_page(fall):
    qpos, rewards = fall.qpos.copy(), fall.rewards.copy()
    qpos[-1], rewards[-1] = np.nan, np.nan
    positions = fall.scene.positions.copy()
    page = replay_page([replace(fall, qpos=qpos, rewards=rewards)], "x")
    json.loads(re.search(r'id="data">(.*?)</script>', page).group(1), parse_constant=pytest.fail)
    assert np.isfinite(positions).all()


def test_panels_show_terms_bounds_and_posture(fall):
    shown = {panel["title"]: panel for panel in panels(fall)}
    assert list(shown)[:5] == ["Reward", "Value", "Actions", "tilt", "height"]
    names = [line["name"] for line in shown["Reward"]["lines"]]
    assert names == ["reward", *fall.terms] and shown["Actions"]["bounds"] == [-1, 1]
    assert "seconds" not in shown


def test_a_page_is_small_and_asks_for_nothing_from_elsewhere(fall, tmp_path):
    page = write_replay(tmp_path / "p/r.html", [fall, lights()], "<b>&").read_text()
    assert len(page) < 300_000
    outside = [a for a in re.findall(r"https?://[^\s\"'`]+", page) if "w3.org/2000/svg" not in a]
    assert outside == [] and "url(" not in page and "@import" not in page
    assert not re.search(r"fetch\(|XMLHttp|import\(", page)
    assert "default-src 'none'" in page and "<b>&" not in page


def test_eight_seconds_of_a_ballbot_stay_below_two_megabytes():
    big = {"type": "perlin", "half_size": 10.0, "resolution": 585}
    settings = {"terrain": big, "wheel_model": "rollers"}
    env = build("ballbot:Ballbot-v0", settings)
    short = record(env, lambda _: np.zeros(3), 1, name=("ballbot:Ballbot-v0", settings))
    scene, poses = short.scene, np.arange(801) % short.steps
    way = scene.positions[poses] + np.linspace(0, 4, 801)[:, None, None].astype(np.float32)
    moved = replace(scene, positions=way, rotations=scene.rotations[poses])
    steps = poses[:800]
    long = replace(
        short, scene=moved, rewards=short.rewards[steps], actions=short.actions[steps],
        terms={name: term[steps] for name, term in short.terms.items()},
        numbers={name: numbers[steps] for name, numbers in short.numbers.items()},
    )  # fmt: skip
    assert len(replay_page([long], "big")) < 2_000_000


class Window:
    """Stands for MuJoCo's window, which needs a display; closed after so many pictures."""

    def __init__(self, model, data, pictures):
        self._data, self._left, self.seen = data, pictures, []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.closed = True

    def is_running(self):
        return self._left > 0

    def sync(self):
        self._left -= 1
        self.seen.append(self._data.qpos.copy())


def test_a_viewer_shows_every_state_at_its_speed_until_it_is_closed(fall):
    opened, waits = [], []
    stride = max(1, round(1 / (60 * fall.seconds)))
    once = len(range(0, fall.steps, stride)) + 1
    pictures = once + 2

    def window(model, data):
        opened.append(Window(model, data, pictures))
        return opened[0]

    play(fall, window, rest=waits.append)
    (shown,) = opened
    assert shown.closed
    assert len(shown.seen) == pictures
    np.testing.assert_array_equal(shown.seen[once - 1], fall.qpos[-1])
    np.testing.assert_array_equal(shown.seen[once], fall.qpos[0])
    assert sum(waits[: once - 1]) == pytest.approx(fall.steps * fall.seconds, rel=0.05)
    with pytest.raises(UserError, match="holds no states"):
        play(replace(fall, qpos=None), window)


def test_a_viewer_without_a_display_is_one_sentence(run, files, monkeypatch, capsys):
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    with pytest.raises(SystemExit, match="2"):
        main(["replay", str(run), "--viewer"])
    assert "there is no display" in capsys.readouterr().err


def test_a_video_shows_states_and_pictures(fall):
    drawn = []

    def draw(model, data):
        drawn.append(data.qpos.copy())
        return np.zeros((48, 64, 3), np.uint8)

    shots = list(film(fall, draw))
    assert len(shots) == pytest.approx(fall.steps * fall.seconds * FPS + FPS, abs=1)
    assert np.array_equal(drawn[0], fall.qpos[0]) and np.array_equal(drawn[-1], fall.qpos[-1])
    assert shots[0].max() > 0  # the time is written on it
    assert len(list(film(lights()))) == pytest.approx(1.2 * FPS + FPS, abs=1)
    with pytest.raises(UserError, match="nothing can be drawn"):
        list(film(lights("Dark-v0")))


def called(capsys, *args):
    with pytest.raises(SystemExit) as end:
        main(["replay", *map(str, args)])
    return end.value.code, *capsys.readouterr()


def test_the_command_plays_what_was_recorded_and_records_what_was_not(run, files, tmp_path, capsys):
    shutil.copytree(run, tmp_path / "run")
    code, out, _ = called(capsys, tmp_path / "run", "--episode", "worst")
    assert code == 0 and out.strip() == str(tmp_path / "run/replay_worst.html")
    page = (tmp_path / "run/replay_worst.html").read_text()
    assert f'"seed":{read_episode(files[0][0]).seed},' in page
    code, *_ = called(capsys, tmp_path / "run", "--episode", "5", "--out", tmp_path / "5.html")
    assert code == 0 and '"seed":5,' in (tmp_path / "5.html").read_text()
    assert (tmp_path / "run/episodes/model_seed5.npz").is_file()
    code, *_ = called(capsys, files[0][0], "--out", tmp_path / "file.html")
    assert code == 0 and (tmp_path / "file.html").is_file()


def test_a_page_of_one_episode_leaves_that_of_all(run, files, tmp_path, capsys):
    shutil.copytree(run, tmp_path / "run")
    called(capsys, tmp_path / "run")
    everything = (tmp_path / "run/replay.html").read_bytes()
    seed = read_episode(files[0][0]).seed
    code, out, _ = called(capsys, tmp_path / "run", "--episode", seed)
    assert code == 0 and out.strip() == str(tmp_path / f"run/replay_{seed}.html")
    assert (tmp_path / "run/replay.html").read_bytes() == everything


@pytest.mark.parametrize(("record", "count"), [("1", 2), ("0", 0)])
def test_an_evaluation_records_by_itself(record, count, run, tmp_path, capsys):
    shutil.copytree(run, tmp_path / "run", ignore=shutil.ignore_patterns("episodes"))
    with pytest.raises(SystemExit):
        main(["evaluate", str(tmp_path / "run"), "--n_test", "4", "--record", record])
    said = capsys.readouterr().out
    (judged,) = (tmp_path / "run").glob("evaluation_*.json")
    returns = json.loads(judged.read_text())["policies"][0]["each"]["returns"]
    totals = [episode.total for _, episode in recorded(tmp_path / "run")]
    assert totals == pytest.approx([min(returns), max(returns)][:count])
    assert ("plumbrl replay" in said) == bool(count)


def test_without_any_recording_held_out_seeds_are_recorded(run, tmp_path, capsys):
    shutil.copytree(run, tmp_path / "run", ignore=shutil.ignore_patterns("episodes"))
    code, *_ = called(capsys, tmp_path / "run", "--n_episodes", "2")
    seeds = sorted(episode.seed for _, episode in recorded(tmp_path / "run"))
    assert code == 0 and seeds == [1_000_000, 1_000_001]


@pytest.mark.parametrize(
    ("args", "hint"),
    [
        (["nowhere"], "there is no run folder"),
        (["{run}", "--episode", "wurst"], "did you mean 'worst'"),
        (["{run}", "--episode", "no.npz"], "Cannot read"),
        (["{run}", "--out", "page.pdf"], "--out is a page"),
        (["{run}", "--episode", "9", "--n_episodes", "0"], "--n_episodes"),
    ],
)
def test_a_wrong_word_is_one_sentence(args, hint, run, files, capsys):
    code, _, said = called(capsys, *[a.format(run=run) for a in args])
    assert code == 2 and hint in said and len(said.strip().splitlines()) == 1


def test_an_evaluation_of_other_ground_is_recorded_under_its_name(policy, tmp_path):
    shutil.copytree(policy.folder, tmp_path / "run", ignore=shutil.ignore_patterns("episodes"))
    other = replace(policy, folder=tmp_path / "run")
    flat = EnvSection(id=BALLBOT["id"], kwargs={"episode_seconds": 0.2})
    (episode,) = record_seeds(other, [1], flat)
    judged = Evaluation("x", np.array([1]), np.array([episode.total]), np.array([1]),
                        np.array([True]), {}, {})  # fmt: skip
    (file,), notes = record_extremes(other, judged, place=("perlin:hard", flat), rows=1)
    assert file.name == "model_perlin-hard_seed1.npz" and notes == []
    assert read_episode(file).scene.ground.size == 0
