"""The steering panel: pinned features with sliders, and the model's own answer beside the steered one."""
