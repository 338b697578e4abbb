"""Model calls: catalogue, routing, dispatch."""
