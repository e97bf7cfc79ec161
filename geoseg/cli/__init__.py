"""The command line: one file a command, each parses, calls its tool and reports."""
