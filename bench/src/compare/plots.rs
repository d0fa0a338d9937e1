//! Plots of medians.

use super::peer::Kind;
use super::program::Program;
use super::results::{Results, Series};
use anyhow::{Result, anyhow};
use plotters::prelude::*;
use std::path::Path;

struct Plot {
    file: &'static str,
    title: &'static str,
    program: Program,
    metric: &'static str,
    unit: &'static str,
    across: &'static str,
    is_log: bool,
}

/// How many plots a whole run gives.
pub const COUNT: usize = 6;

const PLOTS: [Plot; COUNT] = [
    Plot {
        file: "tps-by-clients.svg",
        title: "pgbench -S: transactions per second",
        program: Program::Pgbench,
        metric: "TPS",
        unit: "1/s",
        across: "clients",
        is_log: false,
    },
    Plot {
        file: "cpu-by-clients.svg",
        title: "pgbench -S: proxy CPU per transaction, µs",
        program: Program::Pgbench,
        metric: "CPU",
        unit: "µs each",
        across: "clients",
        is_log: false,
    },
    Plot {
        file: "rate-by-size.svg",
        title: "throughput by message size, GB/s",
        program: Program::Messages,
        metric: "rate",
        unit: "GB/s",
        across: "bytes of the answer",
        is_log: true,
    },
    Plot {
        file: "cpu-by-size.svg",
        title: "proxy CPU per message by its size, µs",
        program: Program::Messages,
        metric: "CPU",
        unit: "µs each",
        across: "bytes of the answer",
        is_log: true,
    },
    Plot {
        file: "cpu-by-connections.svg",
        title: "proxy CPU per message by connections, µs",
        program: Program::Connections,
        metric: "CPU",
        unit: "µs each",
        across: "connections, 8 of them busy",
        is_log: false,
    },
    Plot {
        file: "p99-by-connections.svg",
        title: "p99 of a message by connections, µs",
        program: Program::Connections,
        metric: "p99",
        unit: "µs",
        across: "connections, 8 of them busy",
        is_log: false,
    },
];

/// Draws what there is, and says what it drew: file and title.
pub fn draw(results: &Results, directory: &Path) -> Result<Vec<(&'static str, String)>> {
    let mut drawn = Vec::new();
    for plot in &PLOTS {
        let lines = plot.lines(results);
        if lines.iter().any(|(_, points)| points.len() > 1) {
            plot.draw(&directory.join(plot.file), &lines)
                .map_err(|error| anyhow!("cannot draw {}: {error}", plot.file))?;
            drawn.push((plot.file, plot.title.to_owned()));
        }
    }
    Ok(drawn)
}

type Line = (Kind, Vec<(f64, f64)>);

impl Plot {
    fn lines(&self, results: &Results) -> Vec<Line> {
        let is_it = |series: &&Series| {
            (series.program, series.metric, series.unit) == (self.program, self.metric, self.unit)
        };
        Kind::ALL
            .into_iter()
            .map(|kind| {
                let points = results.series.iter().filter(is_it).filter(|s| s.kind == kind);
                let points =
                    points.filter_map(|s| Some((s.case.size as f64, s.spread()?.median))).collect();
                (kind, points)
            })
            .filter(|(_, points): &Line| !points.is_empty())
            .collect()
    }

    fn draw(
        &self,
        path: &Path,
        lines: &[Line],
    ) -> std::result::Result<(), Box<dyn std::error::Error>> {
        let points = || lines.iter().flat_map(|(_, points)| points);
        let (mut left, mut right, mut low, mut high) =
            (f64::MAX, 1.0_f64, f64::MAX, f64::MIN_POSITIVE);
        for (x, y) in points() {
            (left, right) = (left.min(*x), right.max(*x));
            (low, high) = (low.min(*y), high.max(*y));
        }
        let root = SVGBackend::new(path, (760, 420)).into_drawing_area();
        root.fill(&WHITE)?;
        let mut builder = ChartBuilder::on(&root);
        builder.caption(self.title, ("sans-serif", 18)).margin(12);
        builder.x_label_area_size(42).y_label_area_size(64);
        let across = (left.max(0.5)..right * 1.05).log_scale();
        // One body for two kinds of axis, which are two types.
        macro_rules! finish {
            ($chart:expr) => {{
                let mut chart = $chart;
                chart
                    .configure_mesh()
                    .x_desc(self.across)
                    .x_label_formatter(&|x| short(*x))
                    .y_label_formatter(&|y| short(*y))
                    .light_line_style(WHITE.mix(0.0))
                    .draw()?;
                for (kind, points) in lines {
                    let style = colour(*kind).stroke_width(if *kind == Kind::Ours { 3 } else { 2 });
                    chart
                        .draw_series(LineSeries::new(points.iter().copied(), style).point_size(3))?
                        .label(kind.label())
                        .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
                }
                chart
                    .configure_series_labels()
                    .position(SeriesLabelPosition::UpperLeft)
                    .background_style(WHITE.mix(0.85))
                    .border_style(BLACK.mix(0.2))
                    .draw()?;
            }};
        }
        if self.is_log {
            finish!(builder.build_cartesian_2d(across, (low * 0.8..high * 1.3).log_scale())?);
        } else {
            finish!(builder.build_cartesian_2d(across, 0.0..high * 1.35)?);
        }
        root.present()?;
        Ok(())
    }
}

/// A number as people write it on an axis.
fn short(value: f64) -> String {
    let (scaled, unit) = match value.abs() {
        1e9.. => (value / 1e9, "G"),
        1e6..1e9 => (value / 1e6, "M"),
        1e4..1e6 => (value / 1e3, "k"),
        _ => (value, ""),
    };
    // The scales of plots are not free of rounding errors.
    format!("{}{unit}", (scaled * 1e4).round() / 1e4)
}

/// Colours that are told apart without seeing red or green (Okabe and Ito).
fn colour(kind: Kind) -> RGBColor {
    match kind {
        Kind::Direct => RGBColor(130, 130, 130),
        Kind::Ours => RGBColor(0, 114, 178),
        Kind::OursCopy => RGBColor(86, 180, 233),
        Kind::OursSplice => RGBColor(30, 60, 120),
        Kind::HaProxy => RGBColor(213, 94, 0),
        Kind::HaProxySplice => RGBColor(230, 159, 0),
        Kind::Nginx => RGBColor(0, 158, 115),
        Kind::PgBouncer => RGBColor(204, 121, 167),
        Kind::Other => RGBColor(0, 0, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_on_axes_are_short() {
        let written = [0.1 + 0.2, 10.0, 4096.0, 16_384.0, 2e6, 64e9].map(short);
        assert_eq!(written, ["0.3", "10", "4096", "16.384k", "2M", "64G"]);
    }
}
