"""SQLite databases that hold what cannot be made again, shared by threads and processes."""
