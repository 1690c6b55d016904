"""One content-addressed id over everything that influences behaviour, and the manifest that it is made from."""
