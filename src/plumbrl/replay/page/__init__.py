"""The page of a replay: its markup, style and scripts as they are."""
