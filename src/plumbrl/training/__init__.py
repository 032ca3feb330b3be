"""From a configuration file to a trained and evaluated policy."""
