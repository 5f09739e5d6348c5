"""The ledger, which is the one truth of a library, and the indexes derived from it.

`ledger` holds sources, documents, chunks, vectors and outcomes in one SQLite
file. `lexical` and `vectors` can be thrown away and rebuilt from it at any
time. Nothing is imported here, so that a command pays only for what it uses.
"""
