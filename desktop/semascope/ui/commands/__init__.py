"""One registry of everything the program can do; menus, shortcuts and the palette are views of it."""
