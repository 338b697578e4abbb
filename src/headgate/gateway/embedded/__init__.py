"""The one model process: a small chat model and an embedder, served on loopback over the OpenAI wire.

`python -m headgate.gateway.embedded --port P --threads N` is started and restarted by the supervisor. It holds no
secret, opens no connection outwards and keeps nothing: it may be killed at any time. The parts, from the bottom up:

    weights       where the two models lie on this machine
    safetensors   the embedder's weights, mapped from their file
    onnx          the bytes of an ONNX model, written without the `onnx` package
    bert          the embedder's network as such a model
    embedder      texts to vectors
    llama         the chat model: llama.cpp listening on a private socket, and how to talk to it
    requests      what clients may send
    models        both models, loading and taking turns
    app           the routes
"""
