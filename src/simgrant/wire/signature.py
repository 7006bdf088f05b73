"""The header lines that sign an answer: HTTP message signatures over a fixed set of components.

RFC 9421 with the digest of RFC 9530. What is covered never changes, but for the encoding of a
compressed body, so the text to be signed is put together directly.
"""

from __future__ import annotations

import binascii
from collections.abc import Callable
from hashlib import sha256

from simgrant.nouns import noun

_COVERED = '("@status" "content-type" "content-digest"%s "@method";req "@query";req)'
_REST = ';created=%d;keyid="%s";alg="%s";tag="ts43"'
_PARAMS = _COVERED % "" + _REST
_PARAMS_ENCODED = _COVERED % ' "content-encoding"' + _REST


@noun
class Signed:
    """What a signature covers: the answer, and the request it is an answer to."""

    status: int
    content_type: str
    content_encoding: str
    """Empty where there is none."""
    body: bytes
    """As it is sent."""
    method: bytes
    query: bytes
    """Of the request, as it was sent."""


def push_signature(
    signed: Signed, *, key_id: str, algorithm: str, created: int, sign: Callable[[bytes], bytes]
) -> bytes:
    """Return the lines of Content-Digest, Signature-Input and Signature."""
    digest = b"sha-256=:%b:" % _base64(sha256(signed.body).digest())
    form = _PARAMS_ENCODED if signed.content_encoding else _PARAMS
    params = (form % (created, key_id, algorithm)).encode()
    encoding = signed.content_encoding.encode()
    base = b"".join(
        (
            b'"@status": %d\n' % signed.status,
            b'"content-type": %b\n' % signed.content_type.encode(),
            b'"content-digest": %b\n' % digest,
            b'"content-encoding": %b\n' % encoding if encoding else b"",
            b'"@method";req: %b\n' % signed.method,
            b'"@query";req: ?%b\n' % signed.query,
            b'"@signature-params": %b' % params,
        )
    )
    return b"content-digest: %b\r\nsignature-input: answer=%b\r\nsignature: answer=:%b:\r\n" % (
        digest,
        params,
        _base64(sign(base)),
    )


def _base64(data: bytes) -> bytes:
    return binascii.b2a_base64(data, newline=False)
