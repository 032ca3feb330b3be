"""Pictures: each a function of axes and data; figures are assembled in `figures`."""
