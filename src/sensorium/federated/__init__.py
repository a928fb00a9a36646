"""One model of several sites' rows, which stay where they are."""
