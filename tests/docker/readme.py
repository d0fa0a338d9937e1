"""The commands of docker/README.md, by the names that its comments `<!-- walk: name -->` give them."""

import re
from pathlib import Path

DOCKER = Path(__file__).resolve().parents[2] / "docker"


def blocks():
    """Every named block of the page, as text."""
    page = (DOCKER / "README.md").read_text(encoding="utf-8")
    found = re.findall(r"<!-- walk: ([a-z-]+) -->\n```[a-z]*\n(.*?)```", page, re.S)
    return {name: text.strip() for name, text in found}
