"""A section of a card that is measured apart from the rest is replaced, and nothing around it."""
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts/train/vision"))
from card_text import HEADING, put, taken   # noqa: E402

CARD = "# face-blend\n\n## Measured\n- a\n"


def test_a_section_is_added_then_replaced_and_what_follows_stays():
    first = put(CARD, HEADING + "\n\none\n")
    assert first == CARD + "\n" + HEADING + "\n\none\n"
    assert taken(CARD) is None and taken(first) == HEADING + "\n\none\n"
    followed = first + "\n## Later\nb\n"
    second = put(followed, HEADING + "\n\ntwo\nlines\n")
    assert second == CARD + "\n" + HEADING + "\n\ntwo\nlines\n\n## Later\nb\n"
    assert put(second, taken(second)) == second
