"""Our side of Diameter connections: a node with its peers (RFC 6733, RFC 3539).

Above: the adapters that ask an HSS. Below: the codec in ``wire.diameter``. ``node`` sends a request
until it has its answer; ``search`` says whom to, by what its ``route`` knows: peers, ``redirects``
and ``overloads``. ``peer`` keeps one connection alive and makes it anew, over TCP or ``sctp``;
``connection`` is what was connected once; ``watchdog`` says how good it still is.

What newcomers get wrong: a node has one connection to each peer, and a peer knows us by our
Origin-Host. Two processes need two names.
"""
