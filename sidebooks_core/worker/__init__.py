"""Lives in worker processes only: the main loop, confinement, the desk of open documents."""
