"""Faulty off-policy trainers: one readable `train` per algorithm with mistakes to switch on."""

import torch
from stable_baselines3 import DQN, SAC, TD3
from stable_baselines3.common.distributions import SquashedDiagGaussianDistribution
from stable_baselines3.common.utils import polyak_update
from stable_baselines3.sac.policies import SACPolicy
from torch.nn import functional


class FaultyDQN(DQN):
    mistake = ""

    def train(self, gradient_steps, batch_size=100):
        for _ in range(gradient_steps):
            batch = self.replay_buffer.sample(batch_size, env=self._vec_normalize_env)
            with torch.set_grad_enabled(self.mistake == "not detached"):
                target = td_target(batch, self._next_value(batch), self.gamma, self.mistake)
            q_values = self.q_net(batch.observations)
            prediction = q_values.gather(1, batch.actions.long())
            if self.mistake == "greedy prediction":
                prediction = q_values.max(dim=1, keepdim=True)[0]
            if self.mistake == "broadcast":
                target = target.flatten()
            self.policy.optimizer.zero_grad()
            functional.smooth_l1_loss(prediction, target).backward()
            if self.mistake != "no step":
                self.policy.optimizer.step()
            if self.mistake == "copied every step":
                polyak_update(self.q_net.parameters(), self.q_net_target.parameters(), 1.0)

    def _next_value(self, batch):
        online = self.mistake in ("online target", "not detached")
        network = self.q_net if online else self.q_net_target
        values = network(batch.next_observations)
        if self.mistake == "mean":
            return values.mean(dim=1, keepdim=True)
        if self.mistake == "argmax":
            return values.argmax(dim=1, keepdim=True)
        if self.mistake == "worst action":
            return values.min(dim=1, keepdim=True)[0]
        if self.mistake == "Double DQN":
            best = self.q_net(batch.next_observations).argmax(dim=1, keepdim=True)
            return values.gather(1, best)
        return values.max(dim=1, keepdim=True)[0]

    def _on_step(self):
        super_params = (self.q_net.parameters(), self.q_net_target.parameters())
        self._n_calls += 1
        due = self._n_calls % max(self.target_update_interval // self.n_envs, 1) == 0
        if due and self.mistake == "roles swapped":
            polyak_update(*reversed(super_params), self.tau)
        elif due and self.mistake not in ("never copied", "copied every step"):
            polyak_update(*super_params, self.tau)
        self.exploration_rate = self.exploration_schedule(self._current_progress_remaining)


def td_target(batch, value, gamma, mistake):
    """Return the target of a batch, right or with one mistake."""
    reward, live = batch.rewards, 1 - batch.dones
    gamma = {"no gamma": 1.0, "gamma squared": gamma**2}.get(mistake, gamma)
    if mistake == "no mask":
        live = torch.ones_like(live)
    if mistake == "mask inverted":
        live = batch.dones
    if mistake == "reward masked":
        return live * (reward + gamma * value)
    if mistake == "reward sign":
        return -reward + live * gamma * value
    if mistake == "no reward":
        return live * gamma * value
    if mistake == "no next value":
        return reward
    if mistake == "value sign":
        return reward - live * gamma * value
    if mistake == "another gamma":
        return reward + live * 0.5 * gamma * value
    return reward + live * gamma * value


def least(values, mistake):
    """Return the smallest of the critics' values, right or with one mistake."""
    values = torch.cat(values, dim=1)
    if mistake == "max of twins":
        return values.max(dim=1, keepdim=True)[0]
    if mistake == "single target":
        return values[:, :1]
    return values.min(dim=1, keepdim=True)[0]


def critic_loss(predictions, target, mistake):
    if mistake == "one critic":
        predictions = predictions[:1]
    return sum(functional.mse_loss(prediction, target) for prediction in predictions)


class FaultySAC(SAC):
    mistake = ""

    def train(self, gradient_steps, batch_size=64):
        for _ in range(gradient_steps):
            batch = self.replay_buffer.sample(batch_size, env=self._vec_normalize_env)
            actions, log_prob = self.actor.action_log_prob(batch.observations)
            alpha = self.log_ent_coef.detach().exp()
            loss = -(self.log_ent_coef * (log_prob + self.target_entropy).detach()).mean()
            step(self.ent_coef_optimizer, loss)
            with torch.no_grad():
                target = td_target(batch, self._next_value(batch, alpha), self.gamma, self.mistake)
            predictions = self.critic(batch.observations, batch.actions)
            step(self.critic.optimizer, critic_loss(predictions, target, self.mistake))
            q_values = least(self.critic(batch.observations, actions), "")
            step(self.actor.optimizer, self._actor_loss(alpha * log_prob[:, None], q_values))
            self._follow()

    def _next_value(self, batch, alpha):
        actions, log_prob = self.actor.action_log_prob(batch.next_observations)
        critic = self.critic if self.mistake == "online target" else self.critic_target
        value = least(critic(batch.next_observations, actions), self.mistake)
        weight = {"no entropy": 0.0, "entropy sign": -1.0}.get(self.mistake, 1.0)
        return value - weight * alpha * log_prob[:, None]

    def _actor_loss(self, cost, q_values):
        weight = {"actor without entropy": 0.0, "actor entropy sign": -1.0}
        sign = -1.0 if self.mistake == "actor sign" else 1.0
        return (weight.get(self.mistake, 1.0) * cost - sign * q_values).mean()

    def _follow(self):
        online, target = self.critic.parameters(), self.critic_target.parameters()
        if self.mistake == "roles swapped":
            polyak_update(target, online, self.tau)
        elif self.mistake != "never followed":
            polyak_update(
                online, target, 1 - self.tau if self.mistake == "tau swapped" else self.tau
            )


class FaultyTD3(TD3):
    mistake = ""

    def train(self, gradient_steps, batch_size=100):
        for _ in range(gradient_steps):
            self._n_updates += 1
            batch = self.replay_buffer.sample(batch_size, env=self._vec_normalize_env)
            with torch.no_grad():
                target = td_target(batch, self._next_value(batch), self.gamma, self.mistake)
            predictions = self.critic(batch.observations, batch.actions)
            step(self.critic.optimizer, critic_loss(predictions, target, self.mistake))
            due = self._n_updates % self.policy_delay == 0
            if due and self.mistake != "actor never steps":
                q_values = self.critic.q1_forward(
                    batch.observations, self.actor(batch.observations)
                )
                step(
                    self.actor.optimizer,
                    (1 if self.mistake == "actor sign" else -1) * q_values.mean(),
                )
            if due or self.mistake == "followed every step":
                self._follow()

    def _next_value(self, batch):
        noise = torch.randn_like(batch.actions) * self.target_policy_noise
        noise = noise.clamp(-self.target_noise_clip, self.target_noise_clip)
        actions = (self.actor_target(batch.next_observations) + noise).clamp(-1, 1)
        critic = self.critic if self.mistake == "online target" else self.critic_target
        return least(critic(batch.next_observations, actions), self.mistake)

    def _follow(self):
        tau = 1.0 if self.mistake == "copied" else self.tau
        polyak_update(self.critic.parameters(), self.critic_target.parameters(), tau)
        if self.mistake != "actor target forgotten":
            polyak_update(self.actor.parameters(), self.actor_target.parameters(), tau)


def step(optimiser, loss):
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()


class NoJacobian(SquashedDiagGaussianDistribution):
    def log_prob(self, actions, gaussian_actions=None):
        return self.distribution.log_prob(gaussian_actions).sum(dim=1)


class NotSummed(SquashedDiagGaussianDistribution):
    def log_prob(self, actions, gaussian_actions=None):
        return super().log_prob(actions, gaussian_actions) / self.action_dim


class WithoutJacobian(SACPolicy):
    distribution = NoJacobian

    def make_actor(self, features_extractor=None):
        actor = super().make_actor(features_extractor)
        actor.action_dist = self.distribution(actor.action_dist.action_dim)
        return actor


class MeanLogProb(WithoutJacobian):
    distribution = NotSummed


class WrongScale(SACPolicy):
    """Scales by half the span, and back by all of it."""

    def scale_action(self, action):
        return 0.5 * super().scale_action(action)


class StoresReset(DQN):
    """Stores what the vectorised environment returned: at an end, the next episode's first."""

    def _store_transition(self, buffer, action, new_obs, reward, dones, infos):
        infos = [{k: v for k, v in i.items() if k != "terminal_observation"} for i in infos]
        super()._store_transition(buffer, action, new_obs, reward, dones, infos)


class NoWarmUp(TD3):
    def _sample_action(self, learning_starts, action_noise=None, n_envs=1):
        return super()._sample_action(0, action_noise, n_envs)


class StaleOptimiser(DQN):
    """The network is replaced after its optimiser was made."""

    def _setup_model(self):
        super()._setup_model()
        self.policy.optimizer.param_groups[0]["params"] = [
            torch.nn.Parameter(p.detach().clone()) for p in self.q_net.parameters()
        ]


class OneOptimiser(SAC):
    """The actor's optimiser holds the critic's parameters too."""

    def _setup_model(self):
        super()._setup_model()
        self.actor.optimizer.add_param_group({"params": list(self.critic.parameters())})


class FrozenFeatures(SACPolicy):
    """A layer of the actor lies outside of the gradient's way."""

    def make_actor(self, features_extractor=None):
        actor = super().make_actor(features_extractor)
        first = actor.latent_pi[0]
        first.register_forward_hook(lambda _, __, output: output.detach())
        return actor
