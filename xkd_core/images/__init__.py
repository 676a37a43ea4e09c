"""Images of XKD Explorer."""
