"""Findings for people: on the console, and as one page of HTML."""
