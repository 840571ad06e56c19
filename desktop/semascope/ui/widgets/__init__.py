"""Widgets that more than one panel uses; none of them knows a panel or the shell."""
