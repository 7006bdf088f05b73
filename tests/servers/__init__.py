"""Real servers for tests, started from wheels: no root, no installed database, no containers."""
