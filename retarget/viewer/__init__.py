"""The 3D view: its scene, its page, its server."""
