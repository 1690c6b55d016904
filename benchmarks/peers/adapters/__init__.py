"""One module per peer: `python -m benchmarks.peers.adapters.on_NAME`, in that peer's environment.

The prefix keeps a module of ours from being taken for the library that it imports.
"""
