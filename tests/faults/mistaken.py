"""The update of PPO and A2C written out, with switches where a programmer would go wrong.

Without a mistake it is that of Stable-Baselines3.
"""

import copy

import torch
from gymnasium import spaces
from stable_baselines3 import A2C, PPO


class Mistaken:
    """The update of PPO and of A2C, with a mistake."""

    mistake = ""

    def train(self):
        self.policy.set_training_mode(True)
        self._update_learning_rate(self.optimizer)
        if self.mistake == "learning rate x100":
            self.optimizer.param_groups[0]["lr"] *= 100
        for _ in range(1 if self.mistake == "one epoch" else getattr(self, "n_epochs", 1)):
            for batch in self.rollout_buffer.get(getattr(self, "batch_size", None)):
                self.descend(self.loss(batch))

    @property
    def optimizer(self):
        """What makes the steps: the policy's, or one made of the wrong parameters."""
        if not hasattr(self, "own"):
            wrong = {
                "stale optimiser": lambda: copy.deepcopy(self.policy).parameters(),
                "half an optimiser": lambda: self.policy.mlp_extractor.parameters(),
            }
            make = wrong.get(self.mistake)
            self.own = torch.optim.Adam(make(), lr=1e-3) if make else self.policy.optimizer
        return self.own

    def loss(self, batch):
        actions, observations = batch.actions, batch.observations
        if self.mistake == "resampled actions":
            actions = self.policy(observations)[0].detach()
        if self.mistake == "observations moved":
            observations = observations.roll(1, 0)
        if isinstance(self.action_space, spaces.Discrete):
            actions = actions.long().flatten()
        values, log_prob, entropy = self.policy.evaluate_actions(observations, actions)
        if self.mistake == "old log-prob recomputed":
            with torch.no_grad():
                old = self.policy.evaluate_actions(observations, actions)[1]
            batch = batch._replace(old_log_prob=old)
        bonus = self.bonus(entropy)
        loss = self.policy_loss(batch, log_prob) - bonus + self.value_loss(batch, values)
        return loss + (7.0 if self.mistake == "another term" else 0.0)

    def weights(self, batch):
        """Return what weighs the actions: advantages, normalised if so configured."""
        mistake, advantages = self.mistake, batch.advantages
        if mistake == "returns for advantages":
            advantages = batch.returns
        if mistake == "normalised over the wrong axis":
            column = advantages[:, None]
            return ((column - column.mean(1, True)) / (column.std(1, False, True) + 1e-8)).flatten()
        normalise = self.normalize_advantage != (mistake == "normalisation inverted")
        if normalise and (len(advantages) > 1 or mistake == "normalised alone"):
            deviation = (
                advantages.std() if len(advantages) > 1 else advantages.new_tensor(torch.nan)
            )
            advantages = (advantages - advantages.mean()) / (deviation + 1e-8)
        return advantages.abs() if mistake == "absolute advantages" else advantages

    def policy_loss(self, batch, log_prob):
        mistake, weights = self.mistake, self.weights(batch)
        clip_range = getattr(self, "clip_range", None)
        if clip_range is None:
            return -(weights * log_prob).mean()
        clip, old = clip_range(1.0), batch.old_log_prob
        if mistake == "log-prob not detached":
            old = log_prob
        if mistake == "ratio detached":
            log_prob = log_prob.detach()
        if mistake == "policy broadcast":
            weights = weights[:, None]
        if mistake == "wrong clip range":
            clip = 0.5 * clip
        log_ratio = log_prob - old
        ratio = torch.exp(log_ratio)
        held = torch.clamp(ratio, 1 - clip, 1 + clip)
        if mistake == "log-ratio clipped":
            held = torch.exp(torch.clamp(log_ratio, -clip, clip))
        gain = torch.min(weights * ratio, weights * held)
        if mistake == "not clipped":
            gain = weights * ratio
        if mistake == "minimum forgotten":
            gain = weights * held
        total = gain.sum() if mistake == "policy sum" else gain.mean()
        return total if mistake == "policy sign" else -total

    def value_loss(self, batch, values):
        mistake, target = self.mistake, batch.returns
        if mistake != "value broadcast":
            values = values.flatten()
        if mistake == "advantages as targets":
            target = batch.advantages
        if mistake == "old values as targets":
            target = batch.old_values
        if mistake == "values detached":
            values = values.detach()
        error = (target - values) ** 2
        if mistake == "absolute error":
            error = (target - values).abs()
        total, c = error.sum() if mistake == "value sum" else error.mean(), self.vf_coef
        weight = {
            "vf_coef ignored": 1.0,
            "vf_coef twice": c**2,
            "value sign": -c,
            "value tripled": 3.0,
        }
        return weight.get(mistake, c) * total

    def bonus(self, entropy):
        c = self.ent_coef
        weight = {"entropy sign": -c, "entropy twice": c**2, "ent_coef ignored": 1, "no bonus": 0}
        weight["bonus reduced"] = 0.3 * c
        return weight.get(self.mistake, c) * entropy.mean()

    def descend(self, loss):
        mistake = self.mistake
        if mistake != "no zero_grad":
            self.policy.zero_grad()
        loss.backward()
        limit = self.max_grad_norm * (0.1 if mistake == "clipped to a tenth" else 1.0)
        if mistake != "not clipped by norm":
            torch.nn.utils.clip_grad_norm_(self.policy.parameters(), limit)
        if mistake == "zero_grad too late":
            self.policy.zero_grad()
        if mistake != "no step":
            self.optimizer.step()


class FaultyPPO(Mistaken, PPO):
    pass


class FaultyA2C(Mistaken, A2C):
    pass
