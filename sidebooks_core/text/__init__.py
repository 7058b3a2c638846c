"""Words of a page in reading order, and folding of text for search. Pure, except for numpy."""
