"""Tools that work on a whole library: measuring how well it finds and answers."""
