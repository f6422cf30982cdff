"""cfai inside other people's programs. Each module needs the extra of its name, and is imported by its own."""
