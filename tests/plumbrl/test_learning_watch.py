"""Watching an update: no trace is left, nothing is broken, what was not seen is said."""

import dataclasses

import numpy as np
import pytest
import torch
from stable_baselines3 import A2C, PPO
from stable_baselines3.common.callbacks import BaseCallback, CallbackList

from faults.learning import FAULTS, make_learner
from learners import complaints, healthy, watched
from plumbrl.adapters.sb3 import LearningWatch, OnPolicyWatch
from plumbrl.oracles import LEARNING, check_learning, check_update


def ignore(_):
    pass


@pytest.mark.parametrize("algo", [PPO, A2C])
def test_watching_leaves_no_trace(algo):
    """Weights, optimiser state and random state are the same with and without both watches."""
    ends = []
    for callback in (None, CallbackList([OnPolicyWatch(ignore), LearningWatch(ignore, None)])):
        model = healthy("Pendulum-v1", algo, seed=1)
        attributes = [set(vars(o)) for o in (model.policy, model.rollout_buffer)]
        model.learn(600, callback)
        assert [set(vars(o)) for o in (model.policy, model.rollout_buffer)] == attributes
        assert "train" not in vars(model)
        moments = model.policy.optimizer.state_dict()["state"]
        flat = [t for state in moments.values() for t in state.values()]
        numpy_state = np.random.get_state()[1].astype(np.int64)  # noqa: NPY002 (SB3 draws from it)
        random = [torch.get_rng_state(), torch.as_tensor(numpy_state)]
        ends.append([*model.policy.state_dict().values(), *flat, *random])
    assert len(ends[0]) == len(ends[1])
    assert all(torch.equal(one, other) for one, other in zip(*ends, strict=True))


def test_both_watches_look_at_the_same_rollout():
    rollouts, updates = [], []
    model = healthy()
    watches = [OnPolicyWatch(rollouts.append), LearningWatch(updates.append, updates=2)]
    model.learn(3 * 200, CallbackList(watches))
    assert len(rollouts) == 3
    assert [learning.update for learning in updates] == [0, 1]
    for rollout, learning in zip(rollouts, updates, strict=False):
        assert [check.verdict for check, _ in check_update(rollout)] == ["passed"] * 4
        assert learning.step == rollout.step
        np.testing.assert_array_equal(learning.rollout.returns, rollout.returns.ravel())
    np.testing.assert_array_equal(updates[1].previous.returns, updates[0].rollout.returns)


def test_all_draws_are_seen_and_losses_in_a_sample_of_them():
    """The first minibatches, then every 127th; of rows that were drawn, all."""
    model = healthy("Pendulum-v1", PPO, batch_size=25, n_epochs=20)
    (learning,) = watched(model)
    looked = [i for i, batch in enumerate(learning.minibatches) if batch.evaluation]
    assert looked == [*range(16), 127]
    assert len(learning.optimiser_steps) == len(looked)
    assert len(learning.minibatches) == 160
    for batch in learning.minibatches:
        assert set(batch.samples.returns) <= set(learning.rollout.returns)
    assert not complaints(learning)


def test_a_model_saved_between_rollout_and_update_is_a_plain_one(tmp_path):
    class Save(BaseCallback):
        def _on_step(self):
            return True

        def _on_rollout_end(self):
            self.model.save(tmp_path / "model.zip")

    healthy().learn(200, CallbackList([LearningWatch(ignore), Save()]))
    loaded = PPO.load(tmp_path / "model.zip", device="cpu")
    assert not {"train", "_excluded_save_params"} & set(vars(loaded))


def test_an_update_that_breaks_is_reported_before_its_error():
    fault = next(f for f in FAULTS if f.name == "normalised alone")
    seen = []
    with pytest.warns(UserWarning, match="mini-batch"):
        model = make_learner(fault, n_epochs=2)
    with pytest.raises(ValueError, match="invalid values"):
        model.learn(200, LearningWatch(seen.append))
    causes = [f.cause for _, f in check_learning(seen[0]) if f]
    assert causes[0] == "policy.advantages-normalised-alone"
    assert "train" not in vars(model)


def test_what_fails_while_watching_is_said_and_breaks_nothing(monkeypatch):
    def broken(*_):
        raise RuntimeError("no such tensor")

    monkeypatch.setattr("plumbrl.adapters.sb3.learning.merge", broken)
    model = healthy()
    before = model.policy.action_net.weight.detach().clone()
    (learning,) = watched(model)
    assert not torch.equal(before, model.policy.action_net.weight)
    outcomes = check_learning(learning)
    assert len(outcomes) == len(LEARNING)
    assert {check.verdict for check, _ in outcomes} == {"skipped"}
    assert all("no such tensor" in check.reason for check, _ in outcomes)


def test_an_unknown_objective_is_skipped_with_the_reason():
    (learning,) = watched(healthy())
    unknown = dataclasses.replace(learning, objective=None, n_epochs=None)
    reasons = complaints(unknown)
    assert reasons["policy loss recomputed"] == "the objective of this algorithm is not known"
    assert reasons["minibatches against the rollout"].endswith("is not known")
    assert "parameters changed by the update" not in reasons
