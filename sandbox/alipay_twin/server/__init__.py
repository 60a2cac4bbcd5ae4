"""The process: from the command line to an HTTP server that answers its own machine's calls."""
