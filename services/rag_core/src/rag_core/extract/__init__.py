"""Files to blocks of text with page numbers and headings, parsed in a process that can be killed."""

from rag_core.extract.blocks import Block, BlockKind, Head, Item, Note, Part, Pulse
from rag_core.extract.parser import Limits, Parser

__all__ = ["Block", "BlockKind", "Head", "Item", "Limits", "Note", "Parser", "Part", "Pulse"]
