"""Rollout buffers that draw wrongly: what is stored is right, minibatches are not."""

from stable_baselines3.common.buffers import RolloutBuffer

FIELDS = ("observations", "actions", "values", "log_probs", "advantages", "returns")


class ObservationsMixed(RolloutBuffer):
    """Observations of one draw, everything else of another."""

    def _get_samples(self, batch_inds, env=None):
        other = super()._get_samples(batch_inds[::-1].copy())
        return super()._get_samples(batch_inds)._replace(observations=other.observations)


class ReturnsMixed(RolloutBuffer):
    def _get_samples(self, batch_inds, env=None):
        samples = super()._get_samples(batch_inds)
        return samples._replace(returns=samples.returns.flip(0))


class NormalisedWhileDrawn(RolloutBuffer):
    def _get_samples(self, batch_inds, env=None):
        samples = super()._get_samples(batch_inds)
        return samples._replace(advantages=samples.advantages / samples.advantages.std())


class Stale(RolloutBuffer):
    """Keeps the arrays of the first rollout and draws from them ever after."""

    def _get_samples(self, batch_inds, env=None):
        present = {name: getattr(self, name) for name in FIELDS}
        self.first = getattr(self, "first", present)
        self.__dict__.update(self.first)
        samples = super()._get_samples(batch_inds)
        self.__dict__.update(present)
        return samples


class RemainderDropped(RolloutBuffer):
    def get(self, batch_size=None):
        batches = list(super().get(batch_size))
        yield from batches[:-1]


class WithReplacement(RolloutBuffer):
    def _get_samples(self, batch_inds, env=None):
        return super()._get_samples(batch_inds // 2)
