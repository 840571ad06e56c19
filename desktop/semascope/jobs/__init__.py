"""The engine lane: one worker thread that owns model, SAE and device, and the bridge from it to the interface thread."""
