//! The proxy's own pages on the admin server: `/status` for programs, `/` for people.

use crate::gatehouse::Gatehouse;
use crate::outcome::{End, Rejection};
use crate::status::{Snapshot, Status};
use axum::Router;
use axum::extract::State;
use axum::http::header;
use axum::response::{Html, IntoResponse, Json};
use axum::routing::get;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;

const PAGE: &str = include_str!("admin/page.html");
/// The page is all there is: nothing is loaded from elsewhere, and nobody frames it.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; \
     connect-src 'self'; frame-ancestors 'none'";

/// What `/status` shows.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    #[serde(flatten)]
    control: Snapshot,
    sessions: u64,
    held: u64,
    connections: u64,
    max_connections: usize,
    max_held: usize,
    accepted: u64,
    accept_errors: u64,
    bytes_to_master: u64,
    bytes_to_client: u64,
    bytes_copied: u64,
    bytes_piped: u64,
    closed: BTreeMap<&'static str, u64>,
    rejected: BTreeMap<&'static str, u64>,
    target_changes: u64,
    threads: usize,
    threads_in_use: usize,
    relay: String,
}

#[derive(Clone, Debug)]
struct Sources {
    status: Arc<Status>,
    gatehouse: Arc<Gatehouse>,
}

/// The routes.
pub fn routes(status: Arc<Status>, gatehouse: Arc<Gatehouse>) -> Router {
    Router::new()
        .route("/", get(page))
        .route("/status", get(report))
        .with_state(Sources { status, gatehouse })
}

async fn page() -> impl IntoResponse {
    ([(header::CONTENT_SECURITY_POLICY, POLICY)], Html(PAGE))
}

async fn report(State(sources): State<Sources>) -> impl IntoResponse {
    let gatehouse = &sources.gatehouse;
    let totals = gatehouse.workers().totals();
    let report = Report {
        control: sources.status.snapshot(),
        sessions: totals.active,
        held: totals.held,
        connections: totals.connections,
        max_connections: gatehouse.settings().connections.most(),
        max_held: gatehouse.settings().held.most(),
        accepted: totals.accepted,
        accept_errors: totals.accept_errors,
        bytes_to_master: totals.bytes_up,
        bytes_to_client: totals.bytes_down,
        bytes_copied: totals.bytes_copied,
        bytes_piped: totals.bytes_piped,
        closed: End::ALL.iter().map(|end| (end.label(), totals.closed_by(*end))).collect(),
        rejected: Rejection::ALL
            .iter()
            .map(|why| (why.label(), totals.rejected_for(*why)))
            .collect(),
        target_changes: gatehouse.changes(),
        threads: gatehouse.workers().count(),
        threads_in_use: gatehouse.workers().in_use(),
        relay: gatehouse.settings().tuning.mode.to_string(),
    };
    ([(header::CACHE_CONTROL, "no-store")], Json(report))
}
