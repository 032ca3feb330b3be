"""Faulty programs as people published them, rebuilt: one clean loop each, and one change apiece."""
