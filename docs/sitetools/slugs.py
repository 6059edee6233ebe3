"""Anchors of headings as Pandoc makes them, so that a link within a page works in Quarto's site and in ours."""

import re


def pandoc_slug(title: str) -> str:
    """`Bad input, refused` -> `bad-input-refused`: letters, digits, `_`, `-` and `.` stay, up to the first letter all goes."""
    kept = re.sub(r"[^\w\s.-]", "", title).strip().lower()
    return re.sub(r"^[^a-z]+", "", re.sub(r"\s+", "-", kept)) or "section"
