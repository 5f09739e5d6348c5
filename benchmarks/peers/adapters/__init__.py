"""One module for each system, run by that system's own Python. Only `speaking` and the loaders are shared.

None of them imports openbook but openbook's own; the modules that are shared need only the standard library.
"""
