"""Pages that span the apps."""
