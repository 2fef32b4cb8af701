"""PDF by pypdfium2: pages of text, headings, ruled tables; running headers and footers left out."""

from rag_core.extract.pdf.document import parse

__all__ = ["parse"]
