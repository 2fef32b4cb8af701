"""PDF by pypdfium2: pages of text, headings, ruled tables, without running headers and footers."""

from rag_core.extract.pdf.document import parse

__all__ = ["parse"]
