"""What each verdict means, and how it looks."""

MEANS = {
    "BROKEN": "Something does not do what it says: an exact check failed, and no setting can make "
    "up for that.",
    "UNHEALTHY": "It runs, but not as a sound run does; mend the first finding before you trust "
    "what comes out.",
    "NOT_LEARNING": "The return is no better than at the start, or than that of random actions.",
    "NOT_CONVERGED": "It learns, and was still getting better when it ended.",
    "OVERFITTING": "It gets better at what it is trained on, and no better at anything else.",
    "NOT_EXPLORING": "The return does not grow, and the policy has stopped trying anything else.",
    "HEALTHY": "Nothing that was checked is out of order.",
    "INCONCLUSIVE": "There is too little to go by; nothing is said rather than guessed.",
}
TONES = {"HEALTHY": "good", "INCONCLUSIVE": "unsure", "NOT_CONVERGED": "unsure"}


def words(verdict: str) -> str:
    """Return a verdict as it stands on a page."""
    return verdict.replace("_", " ").capitalize()


def tone(verdict: str) -> str:
    """Return the class that gives a verdict its colour."""
    return TONES.get(verdict, "bad")
