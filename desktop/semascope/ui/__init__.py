"""The Qt face: shell, panels, widgets, commands and theme over the engine."""
