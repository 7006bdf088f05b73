"""The management API: what each call takes, does and answers, as tables.

The front reads, admits and writes; the document and its page are made of the same tables.
"""
