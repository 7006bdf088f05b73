"""The simulated HLR: what OsmoHLR does with SendAuthInfo, and what can go wrong with it."""
