//! The command-line dialect of the binaries: flags, environment variables, errors.
