"""The host's side of worker processes: the pool, one process, typed jobs and answers, the wire."""
