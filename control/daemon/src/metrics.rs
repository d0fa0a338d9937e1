//! The recorder behind the `metrics` crate's macros. It has no listener of its own: the admin server renders it.

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use std::time::Duration;

/// The bucket bounds of one histogram, in the unit of the metric.
#[derive(Clone, Copy, Debug)]
pub struct Histogram {
    /// The metric's full name.
    pub name: &'static str,
    /// Upper bounds, ascending.
    pub bounds: &'static [f64],
}

/// How often histograms are folded, so that memory stays bounded when nobody scrapes.
pub(crate) const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

/// Why there are no metrics.
#[derive(Debug, thiserror::Error)]
pub enum MetricsError {
    /// A histogram was declared without bounds.
    #[error("histogram {name} has no usable bucket bounds")]
    Bounds {
        /// The histogram.
        name: &'static str,
        /// What the recorder said.
        source: BuildError,
    },
    /// Something else in this process was first.
    #[error("another metrics recorder is already installed in this process")]
    Taken,
}

/// Installs the recorder for the whole process and sets `stolon_cluster_identifier`.
pub fn install(
    component: &str,
    cluster_name: &str,
    histograms: &[Histogram],
) -> Result<PrometheusHandle, MetricsError> {
    let recorder = builder(histograms)?.build_recorder();
    let handle = recorder.handle();
    ::metrics::set_global_recorder(recorder).map_err(|_| MetricsError::Taken)?;
    identify(component, cluster_name);
    Ok(handle)
}

fn builder(histograms: &[Histogram]) -> Result<PrometheusBuilder, MetricsError> {
    let mut builder = PrometheusBuilder::new();
    for histogram in histograms {
        builder = builder
            .set_buckets_for_metric(Matcher::Full(histogram.name.to_owned()), histogram.bounds)
            .map_err(|source| MetricsError::Bounds { name: histogram.name, source })?;
    }
    Ok(builder)
}

fn identify(component: &str, cluster_name: &str) {
    ::metrics::describe_gauge!(
        "stolon_cluster_identifier",
        "Set to 1, is labelled with the cluster_name"
    );
    ::metrics::gauge!(
        "stolon_cluster_identifier",
        "cluster_name" => cluster_name.to_owned(),
        "component" => component.to_owned()
    )
    .set(1.0);
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECONDS: Histogram = Histogram { name: "wait_seconds", bounds: &[0.5, 2.0] };

    #[test]
    fn renders_identifier_and_buckets() -> Result<(), MetricsError> {
        let recorder = builder(&[SECONDS])?.build_recorder();
        let handle = recorder.handle();
        ::metrics::with_local_recorder(&recorder, || {
            identify("proxy", "c1");
            ::metrics::histogram!("wait_seconds").record(1.0);
        });
        let text = handle.render();
        assert!(
            text.contains(r#"stolon_cluster_identifier{cluster_name="c1",component="proxy"} 1"#),
            "{text}"
        );
        assert!(text.contains(r#"wait_seconds_bucket{le="0.5"} 0"#), "{text}");
        assert!(text.contains(r#"wait_seconds_bucket{le="2"} 1"#), "{text}");
        Ok(())
    }

    #[test]
    fn a_histogram_without_bounds_is_refused() {
        let error = builder(&[Histogram { name: "empty", bounds: &[] }]).map(|_| ()).unwrap_err();
        assert_eq!(error.to_string(), "histogram empty has no usable bucket bounds");
    }
}
