"""A SavedModel is served over REST and gRPC, as TensorFlow Serving does it."""
