//! The routes every daemon has.

use super::Admin;
use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;

pub(super) fn router(admin: Admin) -> Router {
    let Admin { metrics, readiness, started, extra } = admin;
    let metrics = move || async move {
        let text = metrics.render() + &crate::process::render(started);
        ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text)
    };
    let readyz = move || async move {
        match readiness.obstacle() {
            None => "ok\n".into_response(),
            Some(reason) => {
                (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")).into_response()
            }
        }
    };
    extra
        .route("/metrics", get(metrics))
        .route("/livez", get(async || "ok\n"))
        .route("/readyz", get(readyz))
}
