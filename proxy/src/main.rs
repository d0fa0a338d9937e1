//! Carries clients to the current master.

fn main() {}
