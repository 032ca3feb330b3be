"""The only stateful core: takes numbers, keeps the history, applies rules, raises alerts."""
