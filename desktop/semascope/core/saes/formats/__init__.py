"""How each public release lays an SAE out on disk: one module a family behind one detector. Imports no torch."""
