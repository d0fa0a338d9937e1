//! The store: etcd and in-memory implementations, leader election, leases.
