"""Tables, schemas, and what turns their cells into batches."""
