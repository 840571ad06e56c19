"""Dictionary learning: a TopK or BatchTopK SAE from a model's activations on a local corpus."""
