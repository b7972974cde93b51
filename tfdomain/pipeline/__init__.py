"""Examples and a tokenizer become a `tf.data` of batches."""
