"""Raw files become a data set: cleaned, masked, without duplicates, split, described."""
