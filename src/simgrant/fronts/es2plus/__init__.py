"""The receiving side of ES2+: what SM-DP+s tell of their profiles (SGP.22 §5.3.5).

``links.client_certificates`` says who may come and whose certificate is whose; ``links.certified``
hands the certificate of a connection on to ``app``, which parses, tells ``ports.profile_events``
and answers. What newcomers
get wrong: a certificate of the right authority is not enough, it has to be one that the settings
name, or one SM-DP+ could speak of another's profiles.
"""
