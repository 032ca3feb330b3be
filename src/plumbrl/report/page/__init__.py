"""The parts of the page: text, numbers, charts, and its style and script as they are."""
