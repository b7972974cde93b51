"""A model is judged: reports, figures, verdicts."""
