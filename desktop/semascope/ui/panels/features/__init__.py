"""The features panel: every feature of the SAE, one row each, found by text, filtered and sorted."""
