"""The expression language: text in, a typed tree with units out, or every fault with its place."""
