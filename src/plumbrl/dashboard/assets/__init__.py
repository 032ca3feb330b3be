"""Files of the pages as the browser gets them."""
