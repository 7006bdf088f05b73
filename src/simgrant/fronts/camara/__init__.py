"""The listener of partner APIs: authorization server and CAMARA's APIs, under one host name.

Above: ``serving``; below: ``flows.camara``. What newcomers get wrong: authorization endpoints
answer errors as OAuth does (``error``), APIs as CAMARA does (``code``); both leave one record.
"""
