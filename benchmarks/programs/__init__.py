"""The programs of docs/examples, timed beside programs that do the same without this library (peers/)."""
