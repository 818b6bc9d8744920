"""The only room that talks to nodes: bytes in and out, no meaning of any protocol."""
