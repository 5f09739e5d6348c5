"""Which reader takes which kind of file, by name alone, and why some kinds are not read.

One table, so that a walk over 10,000 files asks it without importing a single
reader. Refused: guessing from the suffix that a file is binary when it is not
in the table. Such a file is opened, and read if it holds text.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

PLAIN: Final = "openbook.read.plain:PlainReader"
MARKDOWN: Final = "openbook.read.markdown:MarkdownReader"
HTML: Final = "openbook.read.html:HtmlReader"
TABLE: Final = "openbook.read.tables:TableReader"
JSON: Final = "openbook.read.records:JsonReader"
NOTEBOOK: Final = "openbook.read.notebook:NotebookReader"
RESTRUCTURED_TEXT: Final = "openbook.read.restructuredtext:RestructuredTextReader"
CODE: Final = "openbook.read.code:CodeReader"
OFFICE: Final = "openbook.read.office:OfficeReader"

_SUFFIXES: Final[Mapping[str, str]] = {
    PLAIN: ".txt .text .log .adoc .asciidoc .org .tex .bib .srt .vtt .po .pot .ics .vcf .textile .wiki",
    MARKDOWN: ".md .markdown .mdown .mkd .mdx .qmd .rmd",
    HTML: ".html .htm .xhtml",
    TABLE: ".csv .tsv .tab",
    JSON: ".json .jsonl .ndjson .geojson",
    NOTEBOOK: ".ipynb",
    RESTRUCTURED_TEXT: ".rst .rest",
    CODE: (
        ".py .pyi .pyx .r .jl .m .js .mjs .cjs .jsx .ts .tsx .java .kt .kts .scala .groovy .c .h .cc .cpp "
        ".cxx .hpp .hh .hxx .cs .fs .vb .go .rs .swift .rb .php .pl .pm .lua .sh .bash .zsh .fish .ps1 .bat "
        ".sql .hs .ml .mli .ex .exs .erl .clj .cljs .lisp .el .scm .dart .zig .nim .f .f90 .f95 .for .pas "
        ".asm .s .css .scss .sass .less .vue .svelte .xml .xsd .xsl .yaml .yml .toml .ini .cfg .conf "
        ".properties .proto .graphql .tf .cmake .mk .gradle .dockerfile .sas .do .v .sv .vhd .vhdl .tcl"
    ),
    OFFICE: (
        ".pdf .docx .docm .dotx .doc .pptx .pptm .ppsx .ppt .xlsx .xlsm .xlsb .xls .ods .odt .odp .epub .fb2 "
        ".rtf .eml .msg .dbf"
    ),
}
READERS: Final[Mapping[str, str]] = {
    suffix: reader for reader, suffixes in _SUFFIXES.items() for suffix in suffixes.split()
}
"""File name suffix, in lower case → "module:Class" of the reader that takes it."""

_NAMES: Final[Mapping[str, str]] = {
    "makefile": CODE,
    "gnumakefile": CODE,
    "dockerfile": CODE,
    "containerfile": CODE,
    "cmakelists.txt": CODE,
    "rakefile": CODE,
    "gemfile": CODE,
    "justfile": CODE,
    "jenkinsfile": CODE,
    "vagrantfile": CODE,
}

_REFUSED: Final[Mapping[str, str]] = {
    "is an image, and text in images is not recognised. A PDF with a text layer or a description in a "
    "text file would be read": (
        ".png .jpg .jpeg .jpe .gif .bmp .tif .tiff .webp .heic .heif .avif .ico .icns .svg .svgz .eps .raw "
        ".cr2 .nef .arw .dng .jp2 .psd .psb .xcf .ai .sketch .fig .xd"
    ),
    "is a sound recording. A transcript as text or subtitles (.srt, .vtt) would be read": (
        ".mp3 .wav .flac .ogg .oga .opus .m4a .m4b .aac .wma .aif .aiff .mid .midi .amr"
    ),
    "is a video. A transcript as text or subtitles (.srt, .vtt) would be read": (
        ".mp4 .m4v .mov .avi .mkv .webm .wmv .flv .mpg .mpeg .3gp .mts .m2ts .vob .ogv"
    ),
    "is an archive. Unpack it and add the folder": (
        ".zip .tar .gz .tgz .bz2 .tbz2 .xz .txz .zst .lz4 .lzma .7z .rar .z .cab .cpio .ar .jar .war .ear "
        ".whl .egg .gem .crate .deb .rpm .apk .ipa .iso .dmg .img .vhd .vhdx .vmdk .qcow2 .warc"
    ),
    "is a program or compiled code. Its source code or manual would be read": (
        ".exe .dll .so .dylib .o .obj .a .lib .ko .pyc .pyo .pyd .class .wasm .msi .com .sys .elf .beam .nib"
    ),
    "is a database or a binary data file. An export as CSV or JSON lines would be read": (
        ".sqlite .sqlite3 .db .db3 .mdb .accdb .parquet .feather .arrow .orc .avro .npy .npz .pkl .pickle "
        ".joblib .h5 .hdf5 .nc .rds .rda .rdata .mat .sav .dta .sas7bdat .mdf .ldb .kdbx .faiss .lmdb .duckdb"
    ),
    "is a model's weights. Its model card would be read": (
        ".safetensors .onnx .gguf .ggml .pt .pth .ckpt .tflite .pb .keras .bin"
    ),
    "is a font": ".ttf .otf .woff .woff2 .eot .ttc .fon",
    "is a drawing or a three-dimensional model. A PDF export would be read": (
        ".dwg .vsd .vsdx .blend .stl .3ds .fbx .glb .skp .step .odg"
    ),
    "is an iWork document. An export as PDF, .docx, .xlsx or .pptx would be read": ".pages .numbers .key",
    "is an electronic book of a kind that is not read. A conversion to EPUB would be": (
        ".mobi .azw .azw3 .azw4 .kfx .lit .lrf .pdb .djvu .djv .chm"
    ),
    "is of a kind that is not read. A PDF or .docx export would be": (
        ".wpd .wps .pub .one .indd .idml .qxd .xps .oxps .pst .ost .odf .odb .mpp .hwp"
    ),
    "is encrypted or holds keys, and is left alone": ".gpg .pgp .p12 .pfx .jks .keystore .der .age .enc .aes",
}
_REASONS: Final[Mapping[str, str]] = {
    suffix: reason for reason, suffixes in _REFUSED.items() for suffix in suffixes.split()
}


def suffix_of(path: str) -> str:
    """The last suffix of a POSIX path's name in lower case, with its dot; "" if there is none."""
    name = path[path.rfind("/") + 1 :]
    dot = name.rfind(".")
    return name[dot:].lower() if dot > 0 and dot + 1 < len(name) else ""


def reader_of(path: str) -> str:
    """ "module:Class" of the reader for a file of this name; "" where only its content can tell."""
    name = path[path.rfind("/") + 1 :].lower()
    return _NAMES.get(name) or READERS.get(suffix_of(path), "")


def unsupported_reason(path: str) -> str:
    """Why a file of this name is not read, and what would be; "" if it is read or opened to see."""
    name = path[path.rfind("/") + 1 :]
    if name.startswith("~$"):
        return f"{path!r} is a note that an office program leaves while the document is open."
    suffix = suffix_of(name)
    if suffix in READERS or not (reason := _REASONS.get(suffix)):
        return ""
    return f"{path!r} {reason}."


def is_supported(path: str) -> bool:
    """Whether a reader takes files of this name. False too where only the content can tell."""
    return bool(reader_of(path)) and not unsupported_reason(path)
