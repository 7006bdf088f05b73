"""Where an operator's systems bring events: listeners of TM Forum's hubs, and our own.

``senders`` says who may, ``app`` bounds what comes, has it read (``flows.event_reading``), hands
it to ``ports.bss_events`` and answers. What newcomers get wrong: an answer of 2xx says that nothing
can be lost any more, and one of 4xx that the same must not come again; whatever we could not keep
has to be a 503, or it is gone.
"""
