"""The words of the interlock as frozen values: one noun per file, importing nothing above.

Everything here is data. A value knows how to be encoded (`canonical`), compared and named; it knows nothing of stores,
models, clocks or policies. Every other package may import these; they import only each other and msgspec.
"""
