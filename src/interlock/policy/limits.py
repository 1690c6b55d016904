"""Every limit of a policy document, unit last. They bound what a document can cost to load and a verdict to make.

A document beyond a limit is refused with a diagnostic; nothing is cut.
"""

from __future__ import annotations

DOCUMENT_CHARS_MAX: int = 262_144
"""A policy is read by people; a quarter of a megabyte is not."""

DOCUMENT_DEPTH_MAX: int = 24
"""Nesting of the YAML: deeper is an attack on the reader, not a schema."""

DOCUMENT_NODES_MAX: int = 20_000
"""Scalars, lists and mappings in one document."""

RULES_MAX: int = 256
"""Rules of one policy: each is a bit in every recorded verdict."""

EXPRESSION_CHARS_MAX: int = 4_000
"""One `when` or definition. A longer condition wants a name in `define`."""

EXPRESSION_DEPTH_MAX: int = 24
"""Nesting as written: keeps the recursive walks over a tree far from the interpreter's own limit."""

EXPANDED_DEPTH_MAX: int = 80
"""Nesting after definitions are put in: generated code must stay below 200 nested parentheses, which is all Python
reads.
"""

EXPANDED_NODES_MAX: int = 5_000
"""Nodes of one rule after definitions are put in: definitions that double each other grow without this."""

POLICY_NODES_MAX: int = 50_000
"""Nodes of all rules together, for the same reason."""

DEFINE_NESTING_MAX: int = 5
"""Definitions that use definitions. It bounds recursion while loading."""

NUMBER_DIGITS_MAX: int = 40
"""Digits of a number as written: beyond any money."""

MAGNITUDE_MAX: int = 10**100
"""Largest constant that folding may make: exact integers stay cheap."""

SCALE_MAX: int = 36
"""Decimals of a product: scales add up under multiplication."""

SCALAR_CHARS_MAX: int = 64
"""A number, date or duration given as text: longer cannot be one, and parsing it would not be free."""
