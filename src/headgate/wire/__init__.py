"""Wire formats, one dialect a file: pure functions between bytes and payloads, and stream codecs; no I/O."""
