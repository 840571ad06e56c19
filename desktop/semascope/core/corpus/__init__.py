"""Corpora: local files read as documents, and documents cut into contexts. Knows no torch."""
