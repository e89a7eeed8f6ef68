"""Who may do what to what: principals, roles, one authorize()."""
