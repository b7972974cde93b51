"""Files become clean, split and described examples; no TensorFlow in here."""
