"""Findings for people: on the console."""
