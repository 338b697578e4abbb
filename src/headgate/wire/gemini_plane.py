"""Google's plane: the base URL has no path, and a header carries the key."""

from __future__ import annotations

from typing import Final

from headgate.wire.gemini_errors import write_http_error
from headgate.wire.gemini_models import gemini_model, gemini_page
from headgate.wire.plane import ModelLists, Plane

KEY_HEADER: Final = "x-goog-api-key"

GEMINI: Final = Plane(
    name="gemini",
    base_path="",
    write_error=write_http_error,
    key_headers=(KEY_HEADER,),
    key_parameter="key",
    known_by=frozenset({KEY_HEADER, "x-goog-api-client"}),
    path_parts=(":generateContent", ":streamGenerateContent", ":countTokens", ":embedContent", ":batchEmbedContents"),
    models=ModelLists(gemini_page, gemini_model),
    models_path="/v1beta/models",
)
