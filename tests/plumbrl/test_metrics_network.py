"""Units that do nothing, and features that collapse."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from plumbrl.adapters.torch_layers import activations, numbers
from plumbrl.metrics.network import (
    dead_share,
    dormant_share,
    effective_rank,
    saturated_share,
    stable_rank,
)
from twins import mean

LAYERS = hnp.arrays(
    np.float64,
    hnp.array_shapes(min_dims=2, max_dims=2, max_side=8),
    elements=st.floats(-2, 2, width=16),
)
ALL = [dormant_share, dead_share, saturated_share, effective_rank, stable_rank]


@given(LAYERS, st.sampled_from([0.025, 0.5]))
def test_units_agree_with_loops(h, tau):
    units = [[float(x) for x in column] for column in h.T]
    sizes = [mean(abs(x) for x in unit) for unit in units]
    dormant = mean(size <= tau * mean(sizes) for size in sizes)
    assert dormant_share(h, tau) == pytest.approx(dormant)
    assert dead_share(h) == pytest.approx(mean(all(x == 0 for x in unit) for unit in units))
    stuck = mean(mean(abs(x) > 0.97 for x in unit) > 0.95 for unit in units)
    assert saturated_share(h) == pytest.approx(stuck)


def test_planted_units_are_counted_and_healthy_ones_not():
    rng = np.random.default_rng(0)
    healthy = np.maximum(rng.normal(size=(500, 20)), 0)
    assert (dormant_share(healthy), dead_share(healthy)) == (0, 0)
    ill = healthy * np.where(np.arange(20) < 5, 0.001, 1.0) * (np.arange(20) != 7)
    assert dormant_share(ill) == pytest.approx(6 / 20)
    assert dead_share(ill) == pytest.approx(1 / 20)
    assert dormant_share(np.zeros((5, 4))) == 1
    assert saturated_share(np.tanh(rng.normal(size=(500, 20)))) == 0
    assert saturated_share(np.tanh(50 + rng.normal(size=(500, 20)))) == 1


def test_only_units_with_a_bound_can_saturate():
    """Of tanh all units are at their bound; relu has none, however large its units are."""
    rows = 1_000 * torch.randn(300, 3, generator=torch.Generator().manual_seed(0))
    shares = {}
    for kind in (torch.nn.Tanh, torch.nn.ReLU):
        layer = torch.nn.Sequential(torch.nn.Linear(3, 8), kind())
        with activations(layer) as found:
            layer(rows)
        shares[kind] = numbers(found)
    assert shares[torch.nn.Tanh]["network/saturated"] > 0.9
    assert "network/saturated" not in shares[torch.nn.ReLU]


@given(LAYERS, st.sampled_from([0.01, 0.3]))
def test_ranks_agree_with_eigenvalues(features, delta):
    """Singular values are the roots of the eigenvalues of the Gram matrix."""
    features = features.round(1)
    roots = np.sqrt(np.maximum(np.linalg.eigvalsh(features.T @ features), 0))[::-1]
    if not features.any():
        assert effective_rank(features, delta) == 0
        assert np.isnan(stable_rank(features))
        return
    held, k = 0.0, 0
    while held < (1 - delta) * sum(roots) - 1e-5:
        held, k = held + roots[k], k + 1
    assert k <= effective_rank(features, delta) <= k + 1  # one more where rounding decides
    literal = sum(float(x) ** 2 for x in features.ravel()) / max(roots) ** 2
    assert stable_rank(features) == pytest.approx(literal)


@pytest.mark.parametrize("rank", [1, 3, 8])
def test_ranks_of_planted_features(rank):
    rng = np.random.default_rng(0)
    basis = (
        np.linalg.qr(rng.normal(size=(100, rank)))[0],
        np.linalg.qr(rng.normal(size=(8, rank)))[0],
    )
    features = basis[0] @ basis[1].T
    assert effective_rank(features) == rank
    assert isinstance(effective_rank(features), int)
    assert stable_rank(features) == pytest.approx(rank)
    assert effective_rank(np.diag([1.0, 1.0, 0.001])) == 2
    assert effective_rank(features, delta=0.0) <= 8


@pytest.mark.parametrize("metric", ALL)
@pytest.mark.parametrize("features", [np.zeros((0, 4)), np.zeros((4, 0)), np.full((4, 3), np.nan)])
def test_nothing_has_no_rank_and_no_share(metric, features):
    assert np.isnan(metric(features))


def test_one_sample():
    found = [metric(np.array([[0.5, 0.5, 0.5]])) for metric in ALL]
    assert found == pytest.approx([0, 0, 0, 1, 1])
