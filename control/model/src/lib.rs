//! The cluster as data, and every decision about it.
//!
//! Pure: no clock, no randomness of its own, no I/O. Time and a seed are arguments. Modules in reading order:
//! [`uid`], [`time`], [`lsn`] and [`generation`] are the words; [`spec`] is what the user wants, [`cluster`] the one value in
//! the store, [`info`] what components say of themselves, [`local`] the keeper's own files;
//! [`json`] reads and writes all of these as Go does.

pub mod check;
pub mod cluster;
pub mod decide;
pub mod generation;
pub mod info;
pub mod json;
pub mod local;
pub mod lsn;
pub mod plan;
pub mod postgres;
pub mod quote;
pub mod spec;
pub mod time;
pub mod uid;
