"""Brings the ledger in line with folders, files and collections: what is new, changed, moved, gone.

`plan` compares, `carry_out` does, `sources` says what a path means. A run first
plans (names, sizes and times; only new files of a vanished file's size are
read, to recognise moves), then refuses what would empty the library, then
carries the plan out. Every file that is met ends as exactly one `Outcome`.
"""
