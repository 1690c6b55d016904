"""One module per peer: `python -m benchmarks.peers.adapters.NAME`, in that peer's environment."""
