"""Rule scripts: what rules shall do, as text."""
