"""The prompt panel: a text or a chat, each token shaded by a feature's activation, and what is strongest at a token."""
