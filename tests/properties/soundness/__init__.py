"""Does a policy mean what its document says? Four evaluators and a solver asked the same, of policies drawn at random.

specification.py   a second interpreter, written from docs/reference/policy.md alone
generator.py       random documents, and inputs near the values at which their rules change
agreement.py       one document and its inputs judged by all: what differs is a Disagreement with its seed
mutants.py         single faults planted in a policy document, and what notices each
__main__.py        long runs: ./dev exec python -m tests.properties.soundness --pairs 1000000 --seed 1
"""
