"""Rewrites the pages of this folder."""

from georeplicate.report import pages

for path, text in pages.pages().items():
    path.write_text(text, encoding="utf-8")
    print(path.name)
