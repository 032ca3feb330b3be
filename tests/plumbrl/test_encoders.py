"""Collecting images, pretraining an encoder, and using it frozen, fine-tuned or fused."""

import csv
import json
import pickle
import subprocess
import sys
from pathlib import Path

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces
from stable_baselines3 import PPO, SAC
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.common.vec_env import VecEnvWrapper
from torch import nn

from plumbrl.cli import collect as collect_command
from plumbrl.cli import pretrain as pretrain_command
from plumbrl.encoders import (
    EncodedVecEnv,
    Encoder,
    EncoderExtractor,
    FusionExtractor,
    encode,
    load_encoder,
    save_encoder,
)
from plumbrl.encoders.files import checksum, encoder_facts
from plumbrl.encoders.images import channels_first, image_shapes
from plumbrl.encoders.network import Autoencoder
from plumbrl.encoders.pretrain import errors, pretrain
from plumbrl.encoders.pretraining import Pretraining
from plumbrl.encoders.split import held_out_episodes, read_split
from plumbrl.encoders.store import ImageWriter, read_images
from plumbrl.encoders.vec_env import features_of
from plumbrl.errors import UserError
from plumbrl.training.collect import Collection, collect
from plumbrl.training.config import EnvSection
from plumbrl.training.envs import make_sb3, make_vector

ROOT = Path(__file__).parents[2]
SIDE = 16
BALLBOT = EnvSection(
    id="ballbot:Ballbot-v0",
    kwargs={
        "cameras": {"enabled": True, "width": SIDE, "height": SIDE},
        "terrain": {"type": "perlin", "resolution": 65},
    },
)
SHAPE = (1, SIDE, SIDE)


class Blobs(gymnasium.Env):
    """Shows (H, W, C) pictures of a number from 0 to 2; every third step ends the episode."""

    observation_space = spaces.Box(0, 255, (12, 8, 3), np.uint8)
    action_space = spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.at = 0
        return self._picture(), {}

    def step(self, action):
        self.at += 1
        return self._picture(), 0.0, self.at == 3, False, {}

    def _picture(self):
        return np.full((12, 8, 3), 10 * self.at, np.uint8)


gymnasium.register("Blobs-v0", lambda: Blobs())


@pytest.fixture(scope="module")
def collected(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "images"
    return collect(Collection(BALLBOT, folder, n_steps=2400, n_envs=8, seed=3))


@pytest.fixture(scope="module")
def pretrained(collected, tmp_path_factory):
    folder = tmp_path_factory.mktemp("encoders") / "first"
    return pretrain(Pretraining(collected.folder, folder, epochs=6, images_per_epoch=2048, size=6))


@pytest.fixture
def encoder():
    torch.manual_seed(0)
    return Encoder(SHAPE, 6).freeze()


def pictures(n, seed=0, side=SIDE):
    return np.random.default_rng(seed).integers(0, 256, (n, 1, side, side), dtype=np.uint8)


def shards(folder):
    loaded = [np.load(path, allow_pickle=False) for path in sorted(folder.glob("*.npz"))]
    return {name: np.concatenate([shard[name] for shard in loaded]) for name in loaded[0]}


# Collecting


def test_finds_images_whichever_way_round():
    space = spaces.Dict(
        first=spaces.Box(0, 255, (1, 64, 48), np.uint8),
        last=spaces.Box(0, 255, (64, 48, 3), np.uint8),
        vector=spaces.Box(0, 255, (5,), np.uint8),
        floats=spaces.Box(0, 1, (1, 64, 48), np.float32),
    )
    assert image_shapes(space) == {"first": (1, 64, 48), "last": (3, 64, 48)}
    images = np.arange(2 * 4 * 5 * 3).reshape(2, 4, 5, 3)
    turned = channels_first(images, (3, 4, 5))
    assert turned.shape == (2, 3, 4, 5)
    assert (turned[1, 2] == images[1, :, :, 2]).all()
    with pytest.raises(ValueError, match="expected"):
        channels_first(images, (1, 4, 5))


def test_keeps_every_fresh_image_and_only_those(collected):
    env = make_vector(BALLBOT, 8)
    env.action_space.seed(3)
    obs, _ = env.reset(seed=3)
    expected, repeated, begun, step = [], 0, 8, np.zeros(8, int)
    episode = np.arange(8)
    for k in range(301):
        if k:
            obs, _, terminated, truncated, _ = env.step(env.action_space.sample())
            step += 1
            for i in np.flatnonzero(terminated | truncated):
                episode[i], step[i], begun = begun, 0, begun + 1
        for i in range(8):
            if obs["depth_age"][i, 0] == 0:
                expected.append((i, episode[i], step[i], obs["depth_1"][i]))
            else:
                repeated += 2
    env.close()
    stored = shards(collected.folder)
    assert collected.images == 2 * len(expected)
    assert (collected.repeated, collected.episodes, collected.steps) == (repeated, begun, 2400)
    assert repeated > 100  # the cameras are slower than the robot
    assert begun > 16  # random actions fall
    for k, name in enumerate(("robot", "episode", "step")):
        assert stored[name].tolist() == [row[k] for row in expected]
    assert (stored["images/depth_1"] == np.stack([row[3] for row in expected])).all()


def test_the_manifest_says_where_the_images_come_from(collected):
    manifest = json.loads((collected.folder / "manifest.json").read_text())
    assert manifest["complete"] is True
    assert manifest["keys"] == {"depth_0": list(SHAPE), "depth_1": list(SHAPE)}
    assert manifest["images"] == collected.images == 2 * manifest["rows"]
    assert manifest["rows"] == sum(shard["rows"] for shard in manifest["shards"])
    assert (manifest["policy"], manifest["seed"]) == ("random", 3)
    assert manifest["env_config"]["terrain"]["type"] == "perlin"
    assert "mujoco" in manifest["packages"]
    assert not [p for p in collected.folder.iterdir() if p.name.startswith(".")]


def test_any_environment_with_images_will_do_and_duplicates_are_counted(tmp_path):
    result = collect(Collection(EnvSection(id="Blobs-v0"), tmp_path / "b", n_steps=18, n_envs=3))
    stored = shards(tmp_path / "b")
    assert stored["images/image"].shape == (21, 3, 12, 8)
    assert result.repeated == 0
    assert np.unique(stored["images/image"]).tolist() == [0, 10, 20]  # an end begins the next
    assert result.duplicates == 21 - 3
    assert len(set(zip(stored["robot"], stored["step"], stored["episode"], strict=True))) == 21


def test_a_controller_can_collect_and_starts_anew_with_each_episode(tmp_path):
    env = EnvSection(id=BALLBOT.id, kwargs={**BALLBOT.kwargs, "episode_seconds": 0.2})
    collect(Collection(env, tmp_path / "pid", "pid", n_steps=160, n_envs=4))
    stored = shards(tmp_path / "pid")
    assert stored["step"].max() == 19  # nobody fell

    from plumbrl.training.collect import choose_policy

    vector = make_vector(env, 4)
    vector.reset(seed=0)
    act, restart = choose_policy("pid", vector, 0)
    for _ in range(10):
        act(None)
    controller = restart.__self__
    assert (controller._integral != 0).any(axis=1).all()
    restart(np.array([1, 2]))
    assert (controller._integral[1:3] == 0).all()
    assert (controller._integral[[0, 3]] != 0).any(axis=1).all()
    vector.close()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"policy": "balanse"}, "'balance'"),
        ({"env": EnvSection(id="CartPole-v1")}, "shows no images"),
        ({"n_steps": 0}, "--n_steps"),
        ({"seed": -1}, "--seed"),
    ],
)
def test_what_cannot_be_collected_is_said_and_leaves_nothing(change, message, tmp_path):
    options = {"env": BALLBOT, "out": tmp_path / "new", "n_envs": 2, "n_steps": 10} | change
    with pytest.raises(UserError, match=message):
        collect(Collection(**options))
    assert not (tmp_path / "new").exists()


def test_overwrites_nothing(collected):
    before = sorted(collected.folder.iterdir())
    with pytest.raises(UserError, match="nothing is overwritten"):
        collect(Collection(BALLBOT, collected.folder, n_steps=8, n_envs=2))
    assert sorted(collected.folder.iterdir()) == before


def test_an_interruption_leaves_whole_shards(tmp_path):
    def stop(steps, images):
        if steps >= 40:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt, match="images so far"):
        collect(Collection(BALLBOT, tmp_path / "some", n_steps=4000, n_envs=4), stop)
    images = read_images(tmp_path / "some")
    assert images.manifest["complete"] is False
    assert len(images.images) == images.collected > 60


@pytest.mark.slow
def test_a_trained_policy_collects_even_if_it_never_saw_a_camera(tmp_path):
    command = [
        sys.executable, "-m", "plumbrl", "train", ROOT / "configs/train/ballbot_flat.yaml",
        "--total_timesteps", 512, "--num_envs", 8, "--eval.episodes", 2,
        "--algo.kwargs.n_steps", 32,
        "--algo.kwargs.batch_size", 128,
        "--out", tmp_path / "runs",
    ]  # fmt: skip
    trained = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    (folder,) = (tmp_path / "runs").glob("*/*/*")
    assert trained.returncode in (0, 3), trained.stderr
    result = collect(Collection(BALLBOT, tmp_path / "images", str(folder), n_steps=64, n_envs=4))
    assert result.images > 64


# The folder of images


def small_store(folder, episodes, **shapes):
    shapes = shapes or {"a": SHAPE, "b": SHAPE}
    writer = ImageWriter(folder, shapes, {"policy": "none"}, rows=10)
    for episode in range(episodes):
        drawn = {key: pictures(4, episode, shape[1]) for key, shape in shapes.items()}
        writer.add(drawn, episode=np.full(4, episode))
    writer.flush()
    writer.write_manifest(complete=True)
    return folder


def test_reads_back_what_was_written(tmp_path):
    images = read_images(small_store(tmp_path / "s", 7))
    assert len(list((tmp_path / "s").glob("*.npz"))) == 3
    assert (images.images[:28] == np.concatenate([pictures(4, e) for e in range(7)])).all()
    assert images.episodes.tolist() == 2 * np.repeat(np.arange(7), 4).tolist()
    assert images.manifest["duplicates"] == 28  # b shows what a shows
    fewer = read_images(tmp_path / "s", keys=("b",), max_images=11, seed=1)
    assert (len(fewer.images), fewer.collected) == (11, 28)
    for image, episode in zip(fewer.images, fewer.episodes, strict=True):
        assert (image == pictures(4, episode)).all(axis=(1, 2, 3)).any()


def test_a_damaged_folder_is_named(tmp_path):
    with pytest.raises(UserError, match="holds no collected images"):
        read_images(tmp_path)
    folder = small_store(tmp_path / "s", 7)
    with pytest.raises(UserError, match="'a'"):
        read_images(folder, keys=("aa",))
    shard = folder / "shard_00001.npz"
    shard.write_bytes(shard.read_bytes()[:500])
    with pytest.raises(UserError, match=r"shard_00001.npz is missing or damaged"):
        read_images(folder)
    (folder / "manifest.json").write_text("{")
    with pytest.raises(UserError, match="not valid JSON"):
        read_images(folder)


def test_images_of_different_shapes_are_not_mixed(tmp_path):
    folder = small_store(tmp_path / "s", 3, a=SHAPE, b=(1, 8, 8))
    with pytest.raises(UserError, match="--keys"):
        read_images(folder)
    assert read_images(folder, keys=("b",)).images.shape == (12, 1, 8, 8)


def test_no_episode_is_on_both_sides_of_the_split(tmp_path):
    folder = small_store(tmp_path / "s", 20)
    split = read_split(folder, seed=5)
    assert split.train_episodes + split.validation_episodes == 20
    assert (len(split.train), len(split.validation)) == (128, 32)
    train = {image.tobytes() for image in split.train}
    assert not [image for image in split.validation if image.tobytes() in train]


def test_about_a_fifth_is_held_out_even_of_uneven_episodes():
    rng = np.random.default_rng(0)
    episodes = np.repeat(np.arange(40), rng.integers(1, 100, 40))
    share = np.isin(episodes, held_out_episodes(episodes, rng)).mean()
    assert 0.15 < share < 0.25
    assert len(held_out_episodes(np.array([3, 3, 3, 8]), rng)) == 1
    with pytest.raises(UserError, match="one episode"):
        held_out_episodes(np.array([3, 3, 3]), rng)


# Pretraining


def test_learns_the_robots_images(pretrained):
    assert pretrained.explained > 0.5
    assert not pretrained.useless
    assert pretrained.still_features == 0
    losses = [epoch.validation_loss for epoch in pretrained.history]
    assert pretrained.best.validation_loss == min(losses)
    with (pretrained.folder / "losses.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["validation_loss"]) for row in rows] == losses
    told = json.loads((pretrained.folder / "pretraining.json").read_text())
    assert told["checksum"] == pretrained.checksum
    assert told["split"]["validation_episodes"] == pretrained.split.validation_episodes > 1


def test_the_errors_are_those_of_a_literal_computation(pretrained):
    split = pretrained.split
    mean = (split.train.astype(float) / 255).mean(axis=0)
    literal = np.mean([((image / 255.0 - mean) ** 2).mean() for image in split.validation])
    assert pretrained.constant_loss == pytest.approx(literal, rel=1e-9)
    torch.manual_seed(1)
    network = Autoencoder(SHAPE, 4).eval()
    batch = torch.tensor(split.validation[:5]) / 255
    with torch.no_grad():
        expected = [float(((network(x[None]) - x) ** 2).mean()) for x in batch]
    assert errors(network, split.validation[:5], 2) == pytest.approx(expected, rel=1e-5)


def test_noise_cannot_be_encoded_and_that_is_said(tmp_path):
    folder = small_store(tmp_path / "noise", 30, a=SHAPE)
    result = pretrain(Pretraining(folder, tmp_path / "e", epochs=4, size=4))
    assert result.useless
    assert result.explained < 0.05


def test_images_that_are_all_alike_make_a_useless_encoder(tmp_path):
    writer = ImageWriter(tmp_path / "same", {"a": SHAPE}, {})
    for episode in range(10):
        writer.add({"a": np.full((4, *SHAPE), 7, np.uint8)}, episode=np.full(4, episode))
    writer.flush()
    result = pretrain(Pretraining(tmp_path / "same", tmp_path / "e", epochs=1, size=4))
    assert result.constant_loss == 0
    assert result.useless
    assert result.still_features == 4


def test_the_same_seed_gives_the_same_encoder_and_another_another(tmp_path):
    folder = small_store(tmp_path / "s", 12)

    def run(name, seed):
        torch.manual_seed(hash(name) % 1000)  # what the caller drew before does not matter
        return pretrain(Pretraining(folder, tmp_path / name, epochs=1, seed=seed)).checksum

    assert run("a", 0) == run("b", 0) != run("c", 1)


def test_patience_ends_it_and_the_best_encoder_is_the_one_kept(tmp_path):
    folder = small_store(tmp_path / "s", 12, a=SHAPE)
    result = pretrain(Pretraining(folder, tmp_path / "e", epochs=60, patience=2, lr=0.02))
    assert len(result.history) == result.best.epoch + 2 < 60
    assert checksum(load_encoder(tmp_path / "e")) == result.checksum


def test_an_interrupted_pretraining_has_its_best_encoder_and_overwrites_none(tmp_path):
    folder = small_store(tmp_path / "s", 12)

    def stop(epoch):
        if epoch.epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pretrain(Pretraining(folder, tmp_path / "e"), stop)
    first = checksum(load_encoder(tmp_path / "e"))
    assert encoder_facts(tmp_path / "e")["facts"]["epoch"] in (1, 2)
    with pytest.raises(UserError, match="overwritten"):
        pretrain(Pretraining(folder, tmp_path / "e"))
    assert checksum(load_encoder(tmp_path / "e")) == first


@pytest.mark.parametrize("field", ["epochs", "lr", "batch_size", "max_images"])
def test_bad_settings_of_a_pretraining_are_named(field, tmp_path):
    with pytest.raises(UserError, match=f"--{field} must"):
        pretrain(Pretraining(tmp_path, tmp_path / "e", **{field: -1}))


def test_the_picture_shows_images_over_their_reconstructions(pretrained):
    from PIL import Image

    picture = np.asarray(Image.open(pretrained.folder / "reconstruction.png").convert("L"))
    assert picture.shape[1] > 1000
    upper, lower = picture[40:200], picture[200:360]
    assert upper.std() > 20
    assert lower.std() > 20


# The encoder


def test_folding_the_batch_normalisation_changes_nothing_but_training_mode_would():
    torch.manual_seed(0)
    network = Autoencoder((2, 20, 12), 5)
    images = torch.rand(64, 2, 20, 12)
    for _ in range(5):
        network(images)  # moves the running statistics
    encoder = network.folded_encoder()
    assert network.training
    batch = torch.rand(7, 2, 20, 12)
    with torch.no_grad():
        expected = network.eval().encoder(batch)
        assert not torch.allclose(encoder(batch), network.train().encoder(batch), atol=0.01)
    assert torch.allclose(encoder(batch), expected, atol=1e-5)
    assert encoder(batch).shape == (7, 5)


def test_integers_and_their_floats_are_the_same_image(encoder):
    images = torch.from_numpy(pictures(9))
    features = encoder(images)
    assert torch.equal(features, encoder(images.float() / 255))
    assert features.abs().max() <= 1
    assert features.std(dim=0).min() > 0


@pytest.mark.parametrize("side", [16, 64])
def test_features_do_not_depend_on_the_rest_of_the_batch(side):
    torch.manual_seed(0)
    encoder = Encoder((1, side, side)).freeze()
    images = pictures(300, side=side)
    together = features_of(encoder, images)
    rng = np.random.default_rng(0)
    for n in (1, 1, 1, 2, 3, 5, 16, 31, 64, 129, 257):
        some = rng.permutation(300)[:n]
        assert (features_of(encoder, images[some]) == together[some]).all()
    linear = nn.Linear(side * side, 6)
    flat = torch.from_numpy(images).flatten(1) / 255
    with torch.no_grad():  # the fault that this avoids
        assert not torch.equal(linear(flat[:1]), linear(flat)[:1])


def test_a_file_gives_back_the_same_encoder(pretrained):
    encoder = load_encoder(pretrained.folder)
    assert (encoder.size, encoder.image_shape) == (6, SHAPE)
    assert checksum(encoder) == pretrained.checksum
    assert not encoder.training
    assert not any(p.requires_grad for p in encoder.parameters())
    spread = features_of(encoder, pretrained.split.validation).std(axis=0)
    assert spread.min() > 0.01
    plain = torch.load(pretrained.folder / "encoder.pt", weights_only=True)
    assert plain["facts"]["data"]["policy"] == "random"


def test_wrong_files_get_one_sentence_and_are_not_executed(encoder, tmp_path):
    class Evil:
        def __reduce__(self):
            return Path.touch, (tmp_path / "ran",)

    bad = tmp_path / "bad.pt"
    with pytest.raises(UserError, match="There is no encoder"):
        load_encoder(tmp_path)
    for content in (b"", b"hello", pickle.dumps(Evil()), pickle.dumps({"format": 1})):
        bad.write_bytes(content)
        with pytest.raises(UserError, match="is not an encoder"):
            load_encoder(bad)
    torch.save({"evil": Evil()}, bad)
    with pytest.raises(UserError, match="is not an encoder"):
        load_encoder(bad)
    assert not (tmp_path / "ran").exists()
    torch.save({"some": 1}, bad)
    with pytest.raises(UserError, match="is not an encoder"):
        load_encoder(bad)


def test_an_encoder_that_was_tampered_with_is_refused(encoder, tmp_path):
    path = tmp_path / "encoder.pt"
    digest = save_encoder(encoder, path)
    assert checksum(load_encoder(path)) == digest
    content = torch.load(path, weights_only=True)
    content["state_dict"]["layers.0.bias"][0] += 1e-3
    torch.save(content, path)
    with pytest.raises(UserError, match="is damaged"):
        load_encoder(path)
    content["size"] = 7
    torch.save(content, path)
    with pytest.raises(UserError, match="do not fit"):
        load_encoder(path)


def test_images_that_cannot_be_halved_twice_are_refused():
    with pytest.raises(UserError, match="multiples of 4"):
        Encoder((1, 18, 16))


# Between environment and policy


def test_encoding_what_changed_gives_exactly_what_encoding_everything_gives(encoder):
    plain, encoded = make_sb3(BALLBOT, 6, 5), EncodedVecEnv(make_sb3(BALLBOT, 6, 5), encoder)
    rng = np.random.default_rng(0)
    expected, obs = encode(plain.reset(), encoder), encoded.reset()
    ended = 0
    for _ in range(120):
        for key in expected:
            assert (obs[key] == expected[key]).all()
            assert encoded.observation_space[key].contains(obs[key][0])
        actions = rng.uniform(-1, 1, (6, 3))
        raw, _, dones, infos = plain.step(actions)
        obs, _, _, encoded_infos = encoded.step(actions)
        expected = encode(raw, encoder)
        for i in np.flatnonzero(dones):
            last = {k: v[None] for k, v in infos[i]["terminal_observation"].items()}
            seen = encoded_infos[i]["terminal_observation"]
            for key, value in encode(last, encoder).items():
                assert (seen[key] == value[0]).all()
            ended += 1
    assert ended > 5
    assert encoded.images_seen == 2 * (6 * 121 + ended)
    assert 0.8 < encoded.images_encoded / encoded.images_seen < 0.97  # 90 of 100 are fresh
    assert obs["depth_0"].shape == (6, 6)
    assert obs["depth_0"].dtype == np.float32


class OneBuffer(VecEnvWrapper):
    """Writes every observation into the same arrays."""

    def reset(self):
        self.held = self.venv.reset()
        return self.held

    def step_wait(self):
        obs, *rest = self.venv.step_wait()
        for key, value in obs.items():
            self.held[key][:] = value
        return self.held, *rest


def test_an_environment_that_reuses_its_arrays_is_not_mistaken_for_a_still_one(encoder):
    encoded = EncodedVecEnv(OneBuffer(make_sb3(BALLBOT, 3, 5)), encoder)
    obs = encoded.reset()
    for _ in range(20):
        obs, *_ = encoded.step(np.ones((3, 3)))
    assert (obs["depth_0"] == features_of(encoder, encoded.venv.held["depth_0"])).all()


def test_features_handed_out_do_not_change_later(encoder):
    encoded = EncodedVecEnv(make_sb3(BALLBOT, 3, 5), encoder)
    first = encoded.reset()
    copy = first["depth_0"].copy()
    for _ in range(5):
        encoded.step(np.ones((3, 3)))
    assert (first["depth_0"] == copy).all()


def test_an_encoder_for_other_images_is_refused(encoder):
    env = EnvSection(id=BALLBOT.id, kwargs={"cameras": {"enabled": True, "width": 8, "height": 8}})
    with pytest.raises(UserError, match=r"1 x 16 x 16, these are 1 x 8 x 8"):
        EncodedVecEnv(make_sb3(env, 2, 0), encoder)
    with pytest.raises(UserError, match="no image to encode"):
        EncodedVecEnv(make_sb3(EnvSection(id=BALLBOT.id), 2, 0), encoder)
    with pytest.raises(UserError, match="Only dictionary"):
        EncodedVecEnv(make_sb3(EnvSection(id="CartPole-v1"), 2, 0), encoder)
    with pytest.raises(UserError, match="these are 1 x 8 x 8"):
        encode({"depth_0": pictures(2, side=8)}, encoder)


def test_encode_takes_images_of_either_layout_and_leaves_the_rest(encoder):
    images, vector = pictures(4), np.arange(8.0).reshape(4, 2)
    seen = encode({"a": images, "b": images.transpose(0, 2, 3, 1), "v": vector}, encoder)
    assert (seen["a"] == seen["b"]).all()
    assert seen["v"] is vector
    assert np.allclose(seen["a"], encoder(torch.from_numpy(images)).numpy(), atol=1e-6)


# Features extractors


class WithBatchNorm(BaseFeaturesExtractor):
    """A planted fault: minibatch statistics while learning, running ones while acting."""

    def __init__(self, space):
        super().__init__(space, 6)
        self.network = Autoencoder(SHAPE, 6).to(memory_format=torch.contiguous_format)

    def forward(self, observations):
        return self.network.encoder(observations["depth_0"])


class Recompute(BaseCallback):
    """Recomputes log-probabilities in training mode, before the first gradient step."""

    worst = 0.0

    def _on_step(self):
        return True

    def _on_rollout_end(self):
        policy, buffer = self.model.policy, self.model.rollout_buffer
        policy.set_training_mode(True)
        obs = {
            k: torch.as_tensor(v.reshape(-1, *v.shape[2:])) for k, v in buffer.observations.items()
        }
        actions = torch.as_tensor(buffer.actions.reshape(-1, 3))
        with torch.no_grad():
            _, log_prob, _ = policy.evaluate_actions(obs, actions)
        stored = torch.as_tensor(buffer.log_probs.reshape(-1))
        self.worst = max(self.worst, float((log_prob - stored).abs().max()))


def trained_ppo(extractor, encoded_by=None, share=True, steps=64, **kwargs):
    """A PPO after two updates, and the largest error of its recomputed log-probabilities."""
    venv = make_sb3(BALLBOT, 2, 1)
    venv = EncodedVecEnv(venv, encoded_by) if encoded_by else venv
    model = PPO(
        "MultiInputPolicy", venv, n_steps=32, batch_size=16, n_epochs=2, seed=0, device="cpu",
        learning_rate=1e-3,
        policy_kwargs={"features_extractor_class": extractor, "features_extractor_kwargs": kwargs,
                       "share_features_extractor": share},
    )  # fmt: skip
    recompute = Recompute()
    model.learn(2 * steps, recompute)
    return model, recompute.worst


@pytest.mark.parametrize("extractor", [EncoderExtractor, FusionExtractor])
@pytest.mark.parametrize("images", ["raw", "encoded", "fine-tuned", "frozen"])
def test_what_acts_is_what_learns(extractor, images, pretrained):
    path = pretrained.folder if images in ("fine-tuned", "frozen") else None
    encoder = load_encoder(pretrained.folder) if images == "encoded" else None
    kwargs = {"encoder_path": path, "fine_tune": images == "fine-tuned"} if path else {}
    model, worst = trained_ppo(extractor, encoder, **kwargs)
    assert worst < 1e-5
    encoders = model.policy.features_extractor.vectors.encoders
    assert len(encoders) == (0 if images == "encoded" else 1)
    if path:
        same = checksum(next(iter(encoders.values()))) == pretrained.checksum
        assert same == (images == "frozen")


def test_batch_normalisation_in_the_policy_would_be_seen():
    _, worst = trained_ppo(WithBatchNorm)
    assert worst > 1e-2


def test_a_frozen_encoder_stays_frozen_where_a_network_with_statistics_moves(encoder):
    images = torch.from_numpy(pictures(32))
    digest, before = checksum(encoder), encoder(images)
    nn.Sequential(encoder).train()
    assert not encoder.training
    encoder(images)
    assert checksum(encoder) == digest
    assert torch.equal(encoder(images), before)
    assert not encoder(images).requires_grad
    network = Autoencoder(SHAPE, 6)
    mean = network.encoder[1].running_mean.clone()
    network.train()(images / 255)
    assert not torch.equal(network.encoder[1].running_mean, mean)


def test_a_pretrained_encoder_survives_the_policys_initialisation(pretrained):
    def built(extractor, **kwargs):
        model = PPO(
            "MultiInputPolicy", make_sb3(BALLBOT, 1, 0), n_steps=8, batch_size=8, device="cpu",
            policy_kwargs={
                "features_extractor_class": extractor, "features_extractor_kwargs": kwargs,
                "share_features_extractor": False,
            },
        )  # fmt: skip
        policy = model.policy
        both = (policy.pi_features_extractor, policy.vf_features_extractor)
        return [next(iter(one.vectors.encoders.values())) for one in both]

    for extractor in (EncoderExtractor, FusionExtractor):
        for encoder in built(extractor, encoder_path=pretrained.folder):
            assert checksum(encoder) == pretrained.checksum

    class Unprotected(EncoderExtractor):
        def __init__(self, space, encoder_path):
            super().__init__(space, encoder_path)
            for encoder in self.vectors.encoders.values():
                encoder._settled = False

    for encoder in built(Unprotected, encoder_path=pretrained.folder):
        assert checksum(encoder) != pretrained.checksum


def test_attention_says_where_each_modality_looked():
    model, _ = trained_ppo(FusionExtractor, dim=16, heads=2, layers=2)
    extractor = model.policy.features_extractor
    assert set(extractor.modalities) == {"proprioception", "depth_0", "depth_1", "depth_age"}
    obs, _ = model.policy.obs_to_tensor(model.env.reset())
    with torch.no_grad():
        features = model.policy.extract_features(obs)
    assert features.shape == (2, 16)
    assert extractor.attention.shape == (2, 2, 4, 4)
    assert torch.allclose(extractor.attention.sum(dim=-1), torch.ones(2, 2, 4), atol=1e-5)
    assert not torch.allclose(extractor.attention[0], extractor.attention[1])
    assert not extractor.attention.requires_grad


def test_an_off_policy_algorithm_can_use_it():
    model = SAC(
        "MultiInputPolicy", make_sb3(BALLBOT, 2, 1), buffer_size=200, learning_starts=20,
        batch_size=8, seed=0, device="cpu", policy_kwargs={
            "features_extractor_class": EncoderExtractor, "net_arch": [16],
        },
    )  # fmt: skip
    model.learn(40)
    assert all(torch.isfinite(p).all() for p in model.policy.parameters())


def test_extractors_refuse_what_does_not_fit(pretrained):
    space = spaces.Dict(depth=spaces.Box(0, 255, (1, 8, 8), np.uint8))
    with pytest.raises(UserError, match="depth: the encoder was made for"):
        EncoderExtractor(space, pretrained.folder)
    with pytest.raises(UserError, match="dim must be a multiple of heads"):
        FusionExtractor(space, dim=10, heads=4)
    with pytest.raises(UserError, match="needs a dictionary"):
        EncoderExtractor(space["depth"])


# Commands


@pytest.mark.slow
def test_the_commands_lead_from_the_environment_to_an_encoder(tmp_path, capsys):
    config = tmp_path / "env.yaml"
    config.write_text("cameras: {width: 16, height: 16}\nterrain: {type: perlin, resolution: 65}\n")
    images, encoder = tmp_path / "images", tmp_path / "encoder"
    args = ["--config", config, "--n_steps", "800", "--n_envs", "8", "--out", images]
    assert collect_command.run([str(arg) for arg in args]) == 0
    said = capsys.readouterr().out
    assert "MB" in said
    assert "that only repeated the last image" in said
    assert f"plumbrl pretrain --data_path {images}" in said
    args = ["--data_dir", images, "--save_encoder_to", encoder, "--epochs", "3"]
    assert pretrain_command.run([str(arg) for arg in args]) == 0
    assert "variance of validation images" in capsys.readouterr().out
    assert load_encoder(encoder).size == 20
    with pytest.raises(UserError, match="overwritten"):
        pretrain_command.run([str(arg) for arg in args])


def test_a_useless_encoder_is_a_failed_check(tmp_path, capsys):
    folder = small_store(tmp_path / "noise", 20, a=SHAPE)
    args = ["--data_path", folder, "--save_encoder_to", tmp_path / "e", "--epochs", "1"]
    assert pretrain_command.run([str(arg) for arg in args]) == 3
    assert "USELESS" in capsys.readouterr().out


def test_commands_name_what_is_missing(tmp_path):
    with pytest.raises(UserError, match="holds no collected images"):
        pretrain_command.run(["--data_path", str(tmp_path)])
    with pytest.raises(UserError, match="--torch_threads"):
        pretrain_command.run(["--data_path", str(tmp_path), "--torch_threads", "0"])
    with pytest.raises(UserError, match="no file"):
        collect_command.run(["--config", str(tmp_path / "none.yaml")])
