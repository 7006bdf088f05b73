"""What operators see of the server: metrics, log lines, traces.

Above: the flows and fronts, which report. Below: `domain`, whose trail is one record per request.
Subscriber identities arrive here as the types of `simgrant.identities`, whose repr is masked; never
take them apart on the way.
"""
