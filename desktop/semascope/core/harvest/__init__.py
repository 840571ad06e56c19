"""Harvests: a corpus run once through a model and an SAE, and the per-feature statistics and examples that are kept.

`run` is the pass itself (the only module here, with `forward` and `effects`, that imports torch); what it folds into is
`statistics`, `top` and `intervals`; `finish` writes the folder; `store` reads it, with numpy and SQLite alone.
"""
