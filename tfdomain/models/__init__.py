"""An encoder gets a task head: models, their folders and their SavedModels."""
