"""The field's metrics, once, for tables and for Keras."""
