"""The commands of the command line, one a module: arguments in, exit codes and text out, nothing else."""
