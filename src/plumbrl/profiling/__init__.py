"""Where the time of an environment and of a learner goes, and what would make them faster."""
