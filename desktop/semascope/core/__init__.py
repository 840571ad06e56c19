"""The engine: models, SAEs, corpora, harvests, features, steering, training, sessions. Knows no Qt.

torch is imported only in the rooms `models`, `saes`, `steering`, `training` and `harvest.run`, and only when they are used.
"""
