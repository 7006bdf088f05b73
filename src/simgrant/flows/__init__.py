"""The use cases, one to a module, and the only callers of the ports.

Above: the fronts. Below: the ports for what has to be asked of others, the services and `domain`
for what is decided. `async` stops here: whatever can be decided without waiting belongs lower.
"""
