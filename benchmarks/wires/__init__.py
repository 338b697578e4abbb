"""The wires suite: what a governed call costs on each client's wire, towards each dialect."""
