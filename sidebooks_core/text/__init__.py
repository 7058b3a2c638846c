"""Words of a page in reading order, and how they are searched. Pure, but for numpy."""
