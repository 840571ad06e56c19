"""The Jobs panel: every long job with its progress."""
