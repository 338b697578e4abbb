"""The model process: a small chat model and an embedder, on loopback, with the OpenAI API.

The supervisor starts and restarts `python -m headgate.gateway.embedded --port P --threads N`. The
process holds no secret, opens no outgoing connection and stores nothing, so it may be killed at any
time. The parts, from the bottom up:

    weights       the paths of the two models
    safetensors   the embedder's weights, mapped from their file
    onnx          the bytes of an ONNX model, written without the `onnx` package
    bert          the embedder's network as such a model
    embedder      texts to vectors
    llama         the chat model: llama.cpp on a private socket, with a client
    pulled_chat   one pulled chat model in a child process
    pulled_chats  the children, started by the first request of their model
    requests      the request bodies
    models        both models: loading, queueing and calls
    app           the routes
"""
