"""A local web page over run folders. Needs the extra `dashboard`."""
