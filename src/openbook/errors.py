"""Everything that openbook raises on purpose, as one tree.

OpenbookError
├── UsageError            a wrong argument, setting, filter or path (exit code 2)
│   └── MissingExtra      a feature whose optional dependency is not installed
├── ReadError             one file could not be read; a run goes on with the next
│   ├── UnsupportedFile   no reader takes this kind of file
│   ├── FileChanged       it is not the file any more that was indexed, and is not shown for it
│   └── LimitExceeded     the file went over a limit of size, time or memory
│       └── FileTooLarge  it is larger than files may be, and was not opened
├── ModelError            the embedding model is missing, broken or not the expected one
│   └── ModelNotInstalled no weights on this machine, and how to get them
├── LanguageModelError    a language model, or an embedding API, did not do its part
│   ├── ModelUnreachable  nobody answers at its address, or not in time
│   ├── KeyRefused        the key is missing, wrong or not allowed to (401, 403)
│   ├── ModelUnknown      the server knows no model of this name (404)
│   ├── ModelBusy         still too many requests, or overloaded, after all retries (429, 5xx)
│   ├── PromptTooLong     more tokens than the model takes
│   └── ReplyBroken       the reply stopped halfway, was empty or could not be read
├── LibraryError          the library folder
│   ├── LibraryNotFound   there is no library at this place
│   ├── LibraryLocked     another process is writing; says which
│   ├── LibraryTooNew     written by a newer openbook
│   ├── LibraryDamaged    the ledger itself is broken; says what can be saved
│   └── GenerationMismatch the library's vectors come from another model
├── PruneRefused          a sync would remove more than half of the documents
└── StorageFull           the disk is full; what was reported done is safe

Every message says what happened (with the value), what was expected and what
to do next. An unexpected exception is a bug and is not wrapped.
"""

from __future__ import annotations


class OpenbookError(Exception):
    """Base of all errors that openbook raises on purpose."""


class UsageError(OpenbookError):
    """A wrong argument, setting, filter or path."""


class MissingExtra(UsageError):
    """A feature needs an optional dependency. The message holds the install line."""

    def __init__(self, feature: str, *, extra: str) -> None:
        super().__init__(f'{feature} needs an extra. Install it with: pip install "openbook[{extra}]"')
        self.extra = extra


class ReadError(OpenbookError):
    """One file could not be read."""


class UnsupportedFile(ReadError):
    """No reader takes this kind of file."""


class FileChanged(ReadError):
    """A file has other bytes than when it was indexed, so that what is known of it does not hold."""


class LimitExceeded(ReadError):
    """A file went over a limit of size, time or memory."""


class FileTooLarge(LimitExceeded):
    """A file is larger than the settings allow, and was not opened."""


class ModelError(OpenbookError):
    """The embedding model is missing, broken or not the expected one."""


class ModelNotInstalled(ModelError):
    """There are no weights for the model on this machine."""


class LanguageModelError(OpenbookError):
    """A language model, or an embedding API, did not do its part. No message ever holds a key."""


class ModelUnreachable(LanguageModelError):
    """Nobody answers at the model's address, or not in time."""


class KeyRefused(LanguageModelError):
    """The key is missing, wrong or not allowed to do this."""


class ModelUnknown(LanguageModelError):
    """The server knows no model of this name."""


class ModelBusy(LanguageModelError):
    """Too many requests, or an overloaded server, still so after all retries."""


class PromptTooLong(LanguageModelError):
    """The messages have more tokens than the model takes."""


class ReplyBroken(LanguageModelError):
    """The reply stopped halfway, was empty or could not be read. What had arrived is kept by who asked."""


class LibraryError(OpenbookError):
    """Something is wrong with the library folder."""


class LibraryNotFound(LibraryError):
    """There is no library at this place."""


class LibraryLocked(LibraryError):
    """Another process holds the library's write lock."""


class LibraryTooNew(LibraryError):
    """The library was written by a newer version of openbook."""


class LibraryDamaged(LibraryError):
    """The ledger, the one truth of a library, cannot be read."""


class GenerationMismatch(LibraryError):
    """The library's vectors were made by another embedder than the one at hand."""


class PruneRefused(OpenbookError):
    """A sync would remove more than half of the library's documents."""


class StorageFull(OpenbookError):
    """There is no space left on the device."""
