"""Form fields without an appearance: ours."""
