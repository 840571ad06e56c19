"""Language models from a local folder or a GGUF file: opening, hook points, text to tokens and back."""
