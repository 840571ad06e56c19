"""The session: everything a person made, as one immutable document, edited only by undoable steps, kept in one file.

`document` says what a session is, `edits` how it changes, `history` how that is undone, `file` how it is kept,
`places` where the files lie that it refers to, and `summary` tells it in words. No Qt and no torch in this room.
"""
