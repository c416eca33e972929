"""Other libraries, doing the same work. Each is optional, and is imported only when it is measured."""
