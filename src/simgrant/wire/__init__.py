"""Bytes to meaning and back, without I/O: requests, documents, relayed EAP packets.

Above: the fronts and the simulator. Below: `spec` for the names and versions, `errors` for
`BadRequest`. Wire names keep the specification's spelling here and end here: nobody above looks at
a query string, a cookie line or a `parm`.

What newcomers get wrong: the readers on the server's side (`request`, `cookies`, `negotiate`) are
tolerant where real phones need it and bounded everywhere else, and raise `BadRequest` or nothing;
the writers are narrow, since Android reads XML with string replacement and attribute numbers. So
`&quot;` in a document is no escape but text on the screen (see `xml`). `xml_reader` and
`json_reader` are for the simulator alone: the server never parses a document.
"""
