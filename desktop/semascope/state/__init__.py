"""What the panels share: the workspace, the settings, the recent files."""
