"""Moving features while the model runs: edits, generation under edits, and what an edit does to the next token."""
