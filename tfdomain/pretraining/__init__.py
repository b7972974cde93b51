"""An encoder learns its field's language: vocabularies that speak it, and masked language models."""
