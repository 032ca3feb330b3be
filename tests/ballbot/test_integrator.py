"""Why implicitfast at 2 ms: compared with a ten times finer step of the most exact integrator."""

import numpy as np
import pytest

from ballbot.accuracy import compare

BOUND_M = 2e-3
BOUND_DEG = 1.0


@pytest.mark.parametrize("robot", ["default", "paper"])
def test_the_chosen_step_follows_a_ten_times_finer_one(robot):
    error = compare(robot, "implicitfast", 0.002)
    assert error.position_m < BOUND_M
    assert error.tilt_deg < BOUND_DEG
    assert abs(error.energy_share) < 0.1


def test_the_comparison_notices_a_step_that_is_too_long():
    """At 10 ms the same comparison is worse by far, so the bounds above can fail."""
    coarse = compare("default", "implicitfast", 0.01)
    assert coarse.position_m > BOUND_M or coarse.tilt_deg > BOUND_DEG
    assert np.isfinite(coarse.position_m)
