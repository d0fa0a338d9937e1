//! End-to-end suites over the real binaries, a real etcd and a real PostgreSQL.
