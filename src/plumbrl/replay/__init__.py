"""Episodes that were recorded, and the page that plays them back."""
