"""The Python client for Cloudflare Workers AI."""

__version__ = "0.1.0"
