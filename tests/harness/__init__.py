"""The ground of integration tests: a cluster behind a misbehaving proxy, workers, and a backend that keeps a journal."""
