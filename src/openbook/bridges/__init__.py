"""Bridges to frameworks: a library as what LangChain and LlamaIndex call a retriever.

Each is a few lines over `Library.search` in a module of its own, because each
needs an extra: `openbook[langchain]` and `openbook[llama-index]`. Nothing is
imported before it is used.

Refused: bridges that index through a framework's loaders and splitters. A
library keeps itself in line with its folders; a framework asks it.
"""
