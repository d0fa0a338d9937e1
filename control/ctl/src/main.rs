//! The command line of the cluster.

fn main() {}
