"""Fonts as the engine loads them: the hooks that replace and mend them."""
