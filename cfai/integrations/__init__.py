"""cfai inside other people's programs. Each module is imported by its own. `ray` needs the extra of its name."""
