"""Fast and exact over whole books, for any protocol: it never imports one."""
