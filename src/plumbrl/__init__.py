"""Finds out whether a reinforcement-learning run is broken, where, and what to do."""
