"""Results of XKD Explorer."""
