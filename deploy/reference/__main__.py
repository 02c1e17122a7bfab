"""Write every generated page: ``python -m deploy.reference``."""

from __future__ import annotations

from deploy.reference.pages import DOCUMENTATION, pages

if __name__ == "__main__":
    for name, text in pages().items():
        path = DOCUMENTATION / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
