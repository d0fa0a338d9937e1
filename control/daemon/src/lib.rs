//! What every daemon has: signals, log, metrics, admin server, exit codes.
