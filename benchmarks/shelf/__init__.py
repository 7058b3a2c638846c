"""The shelf with as many papers as a council has after decades."""
