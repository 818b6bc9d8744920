"""The only room that talks to nodes."""
