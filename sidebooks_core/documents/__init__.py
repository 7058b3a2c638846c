"""Documents without an engine: what they are, where their bytes are, and the grammars of their formats."""
