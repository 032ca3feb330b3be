"""The normaliser does what SB3's does, to the last bit, and its files run nothing."""

import pickle

import gymnasium
import numpy as np
import pytest
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

from plumbrl.errors import UserError
from plumbrl.training.normalizer import Normalizer
from tiny_run import Sensors


def normalised(make=Sensors, steps=40, **settings):
    venv = DummyVecEnv([make] * 3)
    venv.seed(0)
    if make is Sensors and settings.get("norm_obs", True):
        settings = {"norm_obs_keys": ["joints"]} | settings
    venv = VecNormalize(venv, gamma=0.97, clip_obs=1.5, **settings)
    venv.reset()
    for _ in range(steps):
        venv.step(np.zeros((3, 1), dtype=np.float32))
    return venv


def pendulum():
    return gymnasium.make("Pendulum-v1")


def raw(venv):
    return venv.get_original_obs()


def same(a, b):
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    return a.dtype == b.dtype and np.array_equal(a, b)


@pytest.mark.parametrize("make", [Sensors, pendulum])
def test_normalises_exactly_as_sb3(make):
    venv = normalised(make)
    ours = Normalizer.of(venv).observations(raw(venv))
    assert same(ours, venv.normalize_obs(raw(venv)))
    values = ours["joints"] if isinstance(ours, dict) else ours
    assert np.abs(values).max() <= 1.5
    assert not same(ours, raw(venv))


@pytest.mark.parametrize("make", [Sensors, pendulum])
def test_saves_and_loads_every_number(make, tmp_path):
    venv = normalised(make)
    ours = Normalizer.of(venv)
    ours.save(tmp_path / "n.npz")
    loaded = Normalizer.load(tmp_path / "n.npz")
    assert same(loaded.observations(raw(venv)), venv.normalize_obs(raw(venv)))
    assert (loaded.gamma, loaded.clip_obs, loaded.clip_reward, loaded.norm_reward) == (
        0.97, 1.5, 10.0, True,
    )  # fmt: skip
    assert loaded.returns.var == venv.ret_rms.var
    assert loaded.returns.count == venv.ret_rms.count
    assert [p.name for p in tmp_path.iterdir()] == ["n.npz"]


@pytest.mark.parametrize("make", [Sensors, pendulum])
def test_restores_into_another_vec_normalize(make, tmp_path):
    venv, fresh = normalised(make), normalised(make, steps=0)
    assert not same(fresh.normalize_obs(raw(venv)), venv.normalize_obs(raw(venv)))
    Normalizer.of(venv).restore(fresh)
    assert same(fresh.normalize_obs(raw(venv)), venv.normalize_obs(raw(venv)))
    reward = np.array([1.0, -3.0, 40.0])
    assert np.array_equal(fresh.normalize_reward(reward), venv.normalize_reward(reward))
    before = Normalizer.of(venv).returns.count
    fresh.step(np.zeros((3, 1), dtype=np.float32))
    assert Normalizer.of(venv).returns.count == before  # they share nothing


def test_refuses_to_restore_what_does_not_fit():
    with pytest.raises(UserError, match="joints"):
        Normalizer.of(normalised(Sensors)).restore(normalised(pendulum))


def test_a_copy_does_not_move_on():
    venv = normalised()
    ours = Normalizer.of(venv)
    before = ours.observation["joints"].mean.copy()
    venv.step(np.zeros((3, 1), dtype=np.float32))
    assert np.array_equal(ours.observation["joints"].mean, before)


def test_without_observations_it_passes_them_through(tmp_path):
    venv = normalised(norm_obs=False)
    ours = Normalizer.of(venv)
    ours.save(tmp_path / "n.npz")
    for one in (ours, Normalizer.load(tmp_path / "n.npz")):
        assert one.observation is None
        assert same(one.observations(raw(venv)), raw(venv))
        assert one.returns.var == venv.ret_rms.var


@pytest.mark.parametrize("make", [Sensors, pendulum])
@pytest.mark.parametrize("protocol", [3, 4, 5])
def test_reads_sb3s_pickle_without_unpickling_it(make, protocol, tmp_path):
    venv = normalised(make)
    venv.observation_space.sample()  # leaves a random generator in the pickle
    path = tmp_path / "vecnormalize.pkl"
    path.write_bytes(pickle.dumps(venv, protocol))
    for trust in (False, True):
        loaded = Normalizer.load_pickle(path, trust=trust)
        assert same(loaded.observations(raw(venv)), venv.normalize_obs(raw(venv)))


class Planted:
    """Runs code when it is unpickled."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return (open, (str(self.mark), "w"))


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_planted_pickle_does_not_run(tmp_path):
    venv = normalised()
    mark = tmp_path / "ran"
    venv.gamma_note = Planted(mark)
    path = tmp_path / "vecnormalize.pkl"
    venv.save(str(path))
    with pytest.raises(UserError, match=r"refused.*open.*--trust"):
        Normalizer.load_pickle(path)
    assert not mark.exists()
    Normalizer.load_pickle(path, trust=True)
    assert mark.exists()  # the plant was alive


@pytest.mark.parametrize("content", [b"", b"no file of ours", pickle.dumps({"mean": 3})])
def test_damaged_files_get_one_sentence(content, tmp_path):
    for name, load in (("n.npz", Normalizer.load), ("v.pkl", Normalizer.load_pickle)):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UserError, match=name) as caught:
            load(tmp_path / name)
        assert "\n" not in str(caught.value)


def test_files_with_impossible_numbers_are_refused(tmp_path):
    venv = normalised()
    Normalizer.of(venv).save(tmp_path / "n.npz")
    with np.load(tmp_path / "n.npz") as file:
        arrays = dict(file)
    for key, value in (("observation/joints.var", [-1.0, 1, 1]), ("return.mean", np.nan)):
        np.savez(tmp_path / "bad.npz", **arrays | {key: np.array(value)})
        with pytest.raises(UserError, match="no normaliser"):
            Normalizer.load(tmp_path / "bad.npz")
    with pytest.raises(UserError, match=r"Cannot read .*nowhere"):
        Normalizer.load(tmp_path / "nowhere.npz")
