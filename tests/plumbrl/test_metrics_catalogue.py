"""Every recorded name is described, and completely."""

import pytest

from plumbrl.metrics.catalogue import Described, described

RECORDED = {
    "rollout": "ep_rew_mean ep_len_mean ep_len_min ep_len_max ep_len_std ep_rew_std"
    " exploration_rate",
    "eval": "mean_reward mean_ep_length",
    "train": "approx_kl clip_fraction clip_range entropy_loss explained_variance learning_rate"
    " loss policy_gradient_loss value_loss std actor_loss critic_loss ent_coef ent_coef_loss",
    "time": "fps actor_per_second learner_per_second env_share learn_share",
    "policy": "entropy_relative entropy_relative_min std_min std_max action_std_min saturation_max"
    " roughness kl_k1 kl_k3 ess ratio_min ratio_max clip_asymmetry churn signal log_prob_min",
    "value": "explained_variance explained_variance_held_out residual_variance calibration_slope"
    " calibration_offset terminal_correlation penultimate_correlation mean std min max target_mean"
    " target_std target_min target_max outside_feasible loss_ratio q_mean q_min q_max q_bias"
    " twin_gap q_spread td_abs_mean td_terminal_share target_lag",
    "advantage": "mean std abs_max kurtosis",
    "data": "reward_mean reward_std reward_min reward_max reward_snr staleness replay_age replay_ks"
    " normaliser_drift observation_outside observation_dead non_finite",
    "gradient": "norm norm_max abs_max mean_square clipped_share over_limit noise_scale actor_norm"
    " critic_norm",
    "optimiser": "step_abs_max step_mean_square update_ratio update_ratio_min update_ratio_max"
    " weight_growth weight_norm",
    "network": "dormant dead saturated effective_rank",
    "gpu": "allocated reserved gross utilisation temperature",
}
NAMES = {f"{group}/{name}" for group, names in RECORDED.items() for name in names.split()}


def test_every_recorded_name_is_described():
    assert not NAMES - set(described())


@pytest.mark.parametrize("name", sorted(described()))
def test_every_entry_is_complete(name):
    entry = described()[name]
    for field in Described.model_fields:
        text = getattr(entry, field)
        assert text == text.strip(), field
        assert text, field
        assert "\n" not in text, field
    assert entry.what.endswith("."), "a sentence"
    assert entry.healthy.endswith(".") or entry.healthy == "0"
    assert name.count("/") == 1


def test_read_once_and_frozen():
    assert described() is described()
    with pytest.raises(ValueError, match="frozen"):
        described()["value/mean"].what = ""  # pyright: ignore[reportAttributeAccessIssue]
