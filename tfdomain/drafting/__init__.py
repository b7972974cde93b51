"""A data file becomes an experiment file that trains."""
