//! Runs one PostgreSQL instance and converges it to what the cluster data wants.

fn main() {}
