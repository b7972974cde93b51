"""A checkpoint becomes a Keras encoder and an in-graph tokenizer, and back."""
