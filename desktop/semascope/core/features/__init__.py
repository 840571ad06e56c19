"""Features read as a table and one by one: order, filter, records for scripts, logit effects, nearest decoders.

Tables and records need numpy alone; `logits` and `neighbours` work on tensors they are given, and import torch when called.
"""
