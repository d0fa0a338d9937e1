//! The keeper with real PostgreSQL and a real etcd. The tests play the sentinel: they write the cluster data.

mod cluster;
mod etcd;
mod harness;
mod lifecycle;
mod startup;
