"""Every exact identity of an off-policy trainer, causes before their consequences."""

from plumbrl.oracles.actors import (
    check_actor_loss,
    check_squashed_log_probs,
    check_target_entropy,
)
from plumbrl.oracles.batches import check_batches
from plumbrl.oracles.compare import Outcome
from plumbrl.oracles.optimisers import (
    check_optimisers_keep_to_their_network,
    check_parameters_learn,
)
from plumbrl.oracles.replay import (
    check_stored_actions,
    check_stored_ends,
    check_stored_observations,
    check_stored_rewards,
    check_terminal_observations,
)
from plumbrl.oracles.round_trips import check_round_trips
from plumbrl.oracles.target_network import check_target_networks
from plumbrl.oracles.td_targets import check_loss_operands, check_predictions, check_td_targets
from plumbrl.oracles.uniformity import check_replay_sampling, check_warm_up
from plumbrl.snapshots.off_policy import OffPolicyUpdate

OFF_POLICY = (
    check_round_trips,
    check_warm_up,
    check_terminal_observations,
    check_stored_observations,
    check_stored_actions,
    check_stored_rewards,
    check_stored_ends,
    check_replay_sampling,
    check_batches,
    check_squashed_log_probs,
    check_loss_operands,
    check_predictions,
    check_td_targets,
    check_actor_loss,
    check_optimisers_keep_to_their_network,
    check_parameters_learn,
    check_target_networks,
    check_target_entropy,
)


def check_off_policy_update(update: OffPolicyUpdate) -> list[Outcome]:
    """Apply every exact identity; a NaN somewhere breaks none of them."""
    return [check(update) for check in OFF_POLICY]
