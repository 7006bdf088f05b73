"""Who knows whose connections are (the ``ConnectionOwner`` port)."""
