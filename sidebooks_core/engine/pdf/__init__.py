"""What only a PDF has: objects, the page tree, links, layers, faults and their mending."""
