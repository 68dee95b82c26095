"""Rewrites the pages of this folder."""

from georeplicate import docs

for path, text in docs.pages().items():
    path.write_text(text, encoding="utf-8")
    print(path.name)
