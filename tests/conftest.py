"""What all tests share. Helpers that users may want as well belong in `sage.testing`."""
