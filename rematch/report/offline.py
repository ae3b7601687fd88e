"""Pages that need nothing else: a template filled in, with its style sheet and script inside."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

TEMPLATES = Path(__file__).parent / "templates"


def fill(template: str, sheet: str = "", **parts: Any) -> str:
    """The page as HTML that asks no host for anything; everything in `parts` is escaped. `sheet`: further styles."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    css = (TEMPLATES / "style.css").read_text() + sheet
    script = (TEMPLATES / "script.js").read_text()
    return environment.get_template(template).render(
        **parts, css=Markup(css), script=Markup(script), policy=policy(css, script)
    )


def policy(css: str, script: str) -> str:
    """A content security policy under which only this style sheet and this script count, and nothing is fetched."""
    return (
        f"default-src 'none'; style-src '{_digest(css)}'; script-src '{_digest(script)}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _digest(content: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
