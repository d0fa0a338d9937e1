//! Decides over the store which PostgreSQL instance is master.

fn main() {}
