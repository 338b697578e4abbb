"""Wire formats: pure functions between bytes and payloads, and stream codecs, without I/O."""
