"""Translate a trainer's names into snapshots, and nothing else."""
