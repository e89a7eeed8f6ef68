"""Rule documents: TOML in, frozen rules out."""
