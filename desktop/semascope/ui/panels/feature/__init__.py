"""The feature page: everything a harvest knows of one feature, and what a person wrote about it."""
