"""Making a trained network smaller: weights (unstructured), filters (structured), bits (int8)."""
