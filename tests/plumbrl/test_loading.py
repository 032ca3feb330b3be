"""Saved models are loaded without running anything in them, and act as Stable-Baselines3 does."""

import base64
import io
import json
import pickle
import shutil
import zipfile

import cloudpickle
import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces

from plumbrl.errors import UserError
from plumbrl.training.algorithms import ALGORITHMS, algorithm_class
from plumbrl.training.config import EnvSection
from plumbrl.training.envs import make_vector
from plumbrl.training.foreign import algorithm_of, hidden_layers
from plumbrl.training.loading import read_zip
from plumbrl.training.pickles import read_inert
from plumbrl.training.policy import load_policy
from tiny_run import tiny_run

PENDULUM, CARTPOLE = EnvSection(id="Pendulum-v1"), EnvSection(id="CartPole-v1")
OFF_POLICY = {"learning_starts": 20, "buffer_size": 400, "batch_size": 16}


class Planted:
    """Writes a file when it is unpickled."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return (shutil.copyfile, (__file__, str(self.mark)))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return tiny_run(tmp_path_factory.mktemp("runs"))


@pytest.fixture
def model(run, tmp_path):
    """A model on its own, without its run."""
    shutil.copy(run / "model.zip", tmp_path / "model.zip")
    shutil.copy(run / "vecnormalize.pkl", tmp_path / "vecnormalize.pkl")
    return tmp_path / "model.zip"


def rewritten(path, name, content):
    """Replace a file inside a zip."""
    with zipfile.ZipFile(path) as archive:
        files = {n: archive.read(n) for n in archive.namelist()}
    files[name] = content(files[name])
    with zipfile.ZipFile(path, "w") as archive:
        for n, data in files.items():
            archive.writestr(n, data)


def plant_in_data(path, entry, mark):
    def change(data):
        entries = json.loads(data)
        poison = base64.b64encode(cloudpickle.dumps(Planted(mark))).decode()
        entries[entry] = {":type:": "<class 'function'>", ":serialized:": poison}
        return json.dumps(entries)

    rewritten(path, "data", change)


def plant_in_weights(path, mark):
    def change(data):
        state = torch.load(io.BytesIO(data), weights_only=True)
        stream = io.BytesIO()
        torch.save(dict(state) | {"planted": Planted(mark)}, stream)
        return stream.getvalue()

    rewritten(path, "policy.pth", change)


def observations(env, seed=0, steps=20):
    vector = make_vector(env, 4)
    vector.action_space.seed(seed)
    found = [vector.reset(seed=seed)[0]]
    found += [vector.step(vector.action_space.sample())[0] for _ in range(steps)]
    vector.close()
    return np.concatenate(found)


def acts_as_sb3(policy, path, algo, env):
    """Compare with SB3's own loading, which unpickles everything."""
    theirs = algorithm_class(algo).load(path, device="cpu")
    obs = observations(env)
    with (path.parent / "vecnormalize.pkl").open("rb") as file:
        seen = pickle.load(file).normalize_obs(obs)
    expected = theirs.predict(seen, deterministic=True)[0]
    return np.array_equal(policy.act(obs), expected)


def test_reads_facts_and_weights_and_leaves_pickles_shut(run):
    saved = read_zip(run / "model.zip")
    assert saved.facts["n_steps"] == 32
    assert saved.facts["num_timesteps"] == 256
    assert {"observation_space", "action_space", "policy_class"} <= set(saved.withheld)
    assert saved.texts["policy_class"]["__module__"] == "stable_baselines3.common.policies"
    assert saved.parameters["policy"]["log_std"].shape == (1,)
    assert set(saved.parameters) == {"policy", "policy.optimizer"}
    assert saved.version.startswith("2.")
    trusted = read_zip(run / "model.zip", trust=True)
    assert trusted.withheld == ()
    assert isinstance(trusted.facts["observation_space"], spaces.Box)


def test_a_run_folder_acts_as_sb3_does(run):
    policy = load_policy(run)
    assert acts_as_sb3(policy, run / "model.zip", "PPO", PENDULUM)
    assert policy.timesteps == 256
    assert policy.config.algo.name == policy.algo == "PPO"
    assert policy.folder == run.resolve()


@pytest.mark.parametrize("algo", ["A2C", "SAC", "TD3", "TQC", "CrossQ", "TRPO"])
def test_every_algorithm_with_and_without_its_run(algo, tmp_path):
    off = algo in ("SAC", "TD3", "TQC", "CrossQ")
    kwargs = OFF_POLICY if off else {"n_steps": 32}
    folder = tiny_run(tmp_path, algo=algo, kwargs=kwargs, steps=128)
    assert acts_as_sb3(load_policy(folder), folder / "model.zip", algo, PENDULUM)
    (folder / "config.yaml").unlink()  # now nothing explains it
    alone = load_policy(folder / "model.zip", env=PENDULUM)
    assert alone.algo == algo
    assert acts_as_sb3(alone, folder / "model.zip", algo, PENDULUM)


@pytest.mark.parametrize("algo", ["DQN", "QRDQN"])
def test_values_of_discrete_actions(algo, tmp_path):
    folder = tiny_run(tmp_path, "CartPole-v1", algo, kwargs=OFF_POLICY)
    policy = load_policy(folder)
    assert acts_as_sb3(policy, folder / "model.zip", algo, CARTPOLE)
    saved = read_zip(folder / "model.zip")
    assert policy.model.exploration_rate == saved.facts["exploration_rate"] < 1
    (folder / "manifest.json").unlink()
    alone = load_policy(folder / "model.zip", env=CARTPOLE)
    assert acts_as_sb3(alone, folder / "model.zip", algo, CARTPOLE)


def test_a_recurrent_policy_remembers_until_it_is_reset(tmp_path):
    kwargs = {"n_steps": 16, "batch_size": 64, "n_epochs": 1}
    folder = tiny_run(tmp_path, "CartPole-v1", "RecurrentPPO", kwargs=kwargs, steps=64)
    policy = load_policy(folder)
    obs = observations(CARTPOLE)[:4]

    def hidden():
        policy.act(obs)
        return policy._memory[0].copy()

    first, second = hidden(), hidden()
    assert not np.array_equal(first, second)
    policy.reset()
    assert np.array_equal(hidden(), first)


def test_sampled_actions_repeat_with_their_seed(run):
    policy = load_policy(run)
    obs = observations(PENDULUM)
    draws = []
    for seed in (1, 1, 2):
        policy.seed(seed)
        draws.append(policy.act(obs, deterministic=False))
    assert np.array_equal(draws[0], draws[1])
    assert not np.array_equal(draws[0], draws[2])
    assert not np.array_equal(draws[0], policy.act(obs))


def test_best_falls_back_to_the_final_model_and_says_so(run, tmp_path):
    folder = shutil.copytree(run, tmp_path / "run")
    assert "no best model" in load_policy(folder).notes[0]
    assert load_policy(folder, which="final").notes == ()
    shutil.copy(folder / "model.zip", folder / "best_model.zip")
    assert "no normaliser of its own" in load_policy(folder).notes[0]
    shutil.copy(folder / "normalizer.npz", folder / "best_normalizer.npz")
    best = load_policy(folder)
    assert best.notes == ()
    assert best.path == folder / "best_model.zip"
    assert load_policy(folder, which="final").path == folder / "model.zip"


def test_a_checkpoint_takes_its_own_normaliser(run, tmp_path):
    folder = shutil.copytree(run, tmp_path / "run")
    shutil.copy(folder / "model.zip", folder / "checkpoints/model_64_steps.zip")
    shutil.copy(folder / "normalizer.npz", folder / "checkpoints/normalizer_64_steps.npz")
    policy = load_policy(folder / "checkpoints/model_64_steps.zip")
    assert policy.config is not None
    assert policy.notes == ()
    for name in ("normalizer.npz", "vecnormalize.pkl"):
        (folder / name).unlink()
    with pytest.raises(UserError, match="no normaliser"):
        load_policy(folder)


def test_a_model_alone_is_rebuilt_from_its_text(model):
    policy = load_policy(model, env=PENDULUM)
    assert (policy.algo, policy.config, policy.folder) == ("PPO", None, None)
    assert acts_as_sb3(policy, model, "PPO", PENDULUM)
    assert policy.model.policy.net_arch == [16, 16]
    (model.parent / "vecnormalize.pkl").unlink()
    assert "No normaliser" in load_policy(model, env=PENDULUM).notes[1]


def test_layers_are_read_from_the_shapes_of_weights(tmp_path):
    algo = algorithm_class("SAC")
    model = algo("MlpPolicy", gymnasium.make("Pendulum-v1"), buffer_size=1,
                 policy_kwargs={"net_arch": {"pi": [8, 9, 10], "qf": [11]}})  # fmt: skip
    assert hidden_layers(model.policy.state_dict()) == {"pi": [8, 9, 10], "qf": [11]}
    model.save(tmp_path / "model.zip")
    policy = load_policy(tmp_path / "model.zip", env=PENDULUM)
    obs = observations(PENDULUM)
    assert np.array_equal(policy.act(obs), model.predict(obs, deterministic=True)[0])


def test_each_algorithm_is_told_from_its_plain_settings(tmp_path):
    for name in sorted(set(ALGORITHMS) - {"MaskablePPO", "RecurrentPPO", "DDPG", "ARS"}):
        make = algorithm_class(name)
        env = "CartPole-v1" if "DQN" in name else "Pendulum-v1"
        kwargs = (
            {"buffer_size": 1} if name in ("DQN", "QRDQN", "SAC", "TD3", "TQC", "CrossQ") else {}
        )
        make("MlpPolicy", gymnasium.make(env), **kwargs).save(tmp_path / "model.zip")
        assert algorithm_of(read_zip(tmp_path / "model.zip"), None) == name


@pytest.mark.parametrize("entry", ["lr_schedule", "clip_range", "ep_info_buffer", "planted"])
def test_a_plant_among_the_settings_is_never_read(entry, run, model, tmp_path):
    mark = tmp_path / "ran"
    plant_in_data(model, entry, mark)
    folder = shutil.copytree(run, tmp_path / "run")
    plant_in_data(folder / "model.zip", entry, mark)
    assert entry in read_zip(model).withheld
    load_policy(model, env=PENDULUM)
    load_policy(folder)
    assert not mark.exists()
    read_zip(model, trust=True)
    assert mark.exists()  # the plant was alive


@pytest.mark.parametrize("entry", ["observation_space", "action_space"])
def test_a_plant_where_something_must_be_read_is_refused(entry, model, tmp_path):
    mark = tmp_path / "ran"
    plant_in_data(model, entry, mark)
    with pytest.raises(UserError, match=rf"{entry}.*shutil.copyfile.*--trust"):
        load_policy(model, env=PENDULUM)
    assert not mark.exists()


def test_a_plant_among_the_weights_is_refused_unless_trusted(run, model, tmp_path):
    mark = tmp_path / "ran"
    folder = shutil.copytree(run, tmp_path / "run")
    plant_in_weights(folder / "model.zip", mark)
    for path in (folder, folder / "model.zip"):
        with pytest.raises(UserError, match=r"policy.pth asks for shutil.copyfile.*--trust"):
            load_policy(path)
    assert not mark.exists()
    with pytest.raises(UserError, match="planted"):  # it was run, and is no weight
        load_policy(folder, trust=True)
    assert mark.exists()


def test_a_planted_normaliser_is_refused_unless_trusted(model, tmp_path):
    mark = tmp_path / "ran"
    path = tmp_path / "vecnormalize.pkl"
    found = pickle.loads(path.read_bytes())
    found.planted, found.class_attributes, found.returns = Planted(mark), {}, None
    path.write_bytes(pickle.dumps(found))
    with pytest.raises(UserError, match=r"vecnormalize.pkl was refused.*shutil.copyfile.*--trust"):
        load_policy(model, env=PENDULUM)
    assert not mark.exists()
    load_policy(model, env=PENDULUM, trust=True)
    assert mark.exists()


def test_what_cannot_be_inferred_can_be_trusted(tmp_path):
    class Squeezed(torch.nn.Tanh):
        pass

    make = algorithm_class("PPO")
    kwargs = {"activation_fn": Squeezed, "net_arch": [8]}
    model = make("MlpPolicy", gymnasium.make("Pendulum-v1"), policy_kwargs=kwargs)
    model.save(tmp_path / "model.zip")
    with pytest.raises(UserError, match=r"'policy_kwargs'.*Squeezed as activation_fn.*--trust"):
        load_policy(tmp_path / "model.zip", env=PENDULUM)
    policy = load_policy(tmp_path / "model.zip", env=PENDULUM, trust=True)
    obs = observations(PENDULUM)
    assert np.array_equal(policy.act(obs), model.predict(obs, deterministic=True)[0])


def test_inert_reading_lets_nothing_be_changed():
    import pickletools

    from plumbrl.training import pickles

    # push our own builder, then BUILD a state onto it: (None, {"_make": None})
    attack = b"\x80\x04\x8c\x05numpy\x8c\x05dtype\x93N}\x8c\x05_makeNs\x86b."
    pickletools.dis(attack, out=io.StringIO())
    with pytest.raises(UserError, match="a change of a function"):
        read_inert(attack, "x")
    assert pickles.BUILDERS["dtype"]("f4").dtype == np.float32
    objects = pickle.dumps(np.array([print], dtype=object))
    with pytest.raises(UserError, match="refused"):
        np.asarray(read_inert(objects, "x"))


class Weaker(gymnasium.Env):
    """Observed as a pendulum is, but with half its torque."""

    observation_space = spaces.Box(-8, 8, (3,), np.float32)
    action_space = spaces.Box(-1, 1, (1,), np.float32)


gymnasium.register("Weaker-v0", Weaker)


@pytest.mark.parametrize(
    ("change", "hint"),
    [
        ({"env": CARTPOLE}, r"observation_space is Box\(3,\), the environment's is Box\(4,\)"),
        (
            {"env": EnvSection(id="Weaker-v0")},
            r"action_space is Box\(1,\) from \[-2.0\] to \[2.0\]",
        ),
        ({"env": PENDULUM, "algo": "SAC"}, "do not fit"),
        ({"env": PENDULUM, "algo": "SACC"}, "'SAC'"),
    ],
)
def test_what_does_not_fit_gets_one_sentence(change, hint, model):
    with pytest.raises(UserError, match=hint) as caught:
        load_policy(model, **change)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("entry", "value", "hint"),
    [
        ("policy_kwargs", {"activation_fn": "<class 'torch.nn.Nothing'>"}, "torch.nn.Nothing"),
        ("policy_kwargs", {"features_extractor_class": "<class 'os.Popen'>"}, "os.Popen"),
        ("policy_kwargs", {"net_arch": [3, 3]}, "do not fit"),
        ("policy_kwargs", {"nonsense": 3}, "nonsense"),
        ("policy_class", {":serialized:": "", "__module__": "theirs"}, "a class of theirs"),
        ("n_envs", 10**12, None),
        ("n_steps", 10**12, None),
        ("policy_kwargs", {"net_arch": [{"pi": [16, 16], "vf": [16, 16]}]}, None),
    ],
)
def test_odd_settings_of_a_foreign_model(entry, value, hint, model):
    def change(data):
        return json.dumps(json.loads(data) | {entry: value})

    rewritten(model, "data", change)
    if hint is None:
        load_policy(model, env=PENDULUM)
        return
    with pytest.raises(UserError, match=hint) as caught:
        load_policy(model, env=PENDULUM)
    assert "\n" not in str(caught.value)


def test_a_pickle_of_something_else_is_no_space(model):
    wrong = base64.b64encode(cloudpickle.dumps([1, 2, 3])).decode()

    def change(data):
        return json.dumps(json.loads(data) | {"action_space": {":serialized:": wrong}})

    rewritten(model, "data", change)
    with pytest.raises(UserError, match=r"action_space"):
        load_policy(model, env=PENDULUM)


def test_wrong_files_get_one_sentence(run, tmp_path):
    (tmp_path / "text.zip").write_text("hello")
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("a", "b")
    shutil.copy(run / "model.zip", tmp_path / "torn.zip")
    rewritten(tmp_path / "torn.zip", "policy.pth", lambda data: data[:100])
    shutil.copy(run / "model.zip", tmp_path / "bad.zip")
    rewritten(tmp_path / "bad.zip", "data", lambda data: data[:100])
    hints = {"text": "no zip file", "other": "no model saved", "torn": "policy.pth",
             "bad": "not JSON", "nowhere": "Cannot read"}  # fmt: skip
    for name, hint in hints.items():
        with pytest.raises(UserError, match=hint) as caught:
            load_policy(tmp_path / f"{name}.zip", env=PENDULUM)
        assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match="is no run folder"):
        load_policy(tmp_path)
    shutil.copy(run / "config.yaml", tmp_path)
    with pytest.raises(UserError, match="has the training finished"):
        load_policy(tmp_path)
    with pytest.raises(UserError, match="trained with PPO, not SAC"):
        load_policy(run, algo="sac")
