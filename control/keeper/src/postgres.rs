//! The PostgreSQL instance on this machine: its files, its process, its programs, its answers.

pub mod binaries;
pub mod command;
pub mod leftover;
pub mod local;
pub mod pgdata;
pub mod pid_file;
pub mod postmaster;
pub mod process;
pub mod program;
pub mod replication;
pub mod roles;
pub mod sql;
