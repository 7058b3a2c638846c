"""Pages to bytes: jobs, the worker process that does them, the pool that keeps workers, and the choice of encoding."""
