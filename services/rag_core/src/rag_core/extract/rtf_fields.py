"""Form fields in RTF, whose values are in no run of text: check boxes and choices from a list."""

from __future__ import annotations

from dataclasses import dataclass, field

from rag_core.extract.signs import sign

_BOX, _LIST = 1, 2
_UNSET = 25  # no result is set: the default applies


@dataclass(slots=True)
class Field:
    """One field, as its control words describe it."""

    kind: int = 0
    result: int = _UNSET
    usual: int = 0
    choices: list[str] = field(default_factory=list)

    def learn(self, word: str, number: int | None) -> None:
        """Handle a control word of a form field."""
        match word:
            case "fftype":
                self.kind = number or 0
            case "ffres":
                self.result = number or 0
            case "ffdefres":
                self.usual = number or 0

    def shown(self, instruction: str) -> str:
        """Return what the field shows in addition to the result that follows as text."""
        place = self.usual if self.result == _UNSET else self.result
        if self.kind == _BOX:
            return "\u2611 " if place == 1 else "\u2610 "
        if self.kind == _LIST:
            return self.choices[place] if 0 <= place < len(self.choices) else ""
        words = instruction.split()
        if words[:1] != ["SYMBOL"] or len(words) < 2:
            return ""
        font = "Symbol" if any(word.strip('"') == "Symbol" for word in words) else "Wingdings"
        try:
            return sign(int(words[1], 0), font)
        except ValueError:
            return ""
