"""Parts that only a PDF has: objects, page tree, links, layers, faults and their mending."""
