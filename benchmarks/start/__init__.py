"""How long `headgate up` takes until it serves, and how much memory its processes hold then."""
