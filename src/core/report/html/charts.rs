//! Draws the charts of a report, each for a wide page and for a phone. Behind each of them the page has a table.

use std::ops::Range;

use plotters::coord::ranged1d::{IntoSegmentedCoord, SegmentValue};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use serde::Serialize;

use super::palette::{
    AWAY, CREATED, Colour, FAILED, GRID, INK, LIMIT, PAUSED, UNCHANGED, UPDATED, WRITES,
};
use super::{HtmlError, Organization, Report, Throughput, words};

const FONT: u32 = 12;
/// About how wide a letter of the font is.
const LETTER: u32 = 6;

/// A chart in both forms, as SVG.
#[derive(Serialize)]
pub(super) struct Drawn {
    wide: String,
    narrow: String,
}

/// All charts of a report; what has nothing to draw is `None`.
#[derive(Serialize)]
pub(super) struct Charts {
    throughput: Option<Drawn>,
    organizations: Option<Drawn>,
    calls: Option<Drawn>,
}

/// How much room a chart has.
#[derive(Clone, Copy)]
struct Room {
    width: u32,
    /// The least height of what has a fixed one.
    height: u32,
    /// The letters that a name beside a bar may have.
    letters: usize,
    moments: usize,
}

const WIDE: Room = Room {
    width: 840,
    height: 260,
    letters: 32,
    moments: 8,
};
const NARROW: Room = Room {
    width: 360,
    height: 240,
    letters: 18,
    moments: 3,
};

/// Draws what there is to draw.
///
/// # Errors
/// When the library cannot draw: a defect of ours.
pub(super) fn of(report: &Report) -> Result<Charts, HtmlError> {
    let busy = report.throughput.as_ref();
    let busy = busy.filter(|throughput| throughput.buckets.len() > 1);
    let organizations = report.organizations.iter().map(organization_bar).collect();
    let calls = report.calls.iter().map(|(name, count)| Bar {
        name: name.clone(),
        parts: vec![(*count, &WRITES)],
    });
    Ok(Charts {
        throughput: busy
            .map(|throughput| drawn(|room| over_time(throughput, room)))
            .transpose()?,
        organizations: bars(organizations)?,
        calls: bars(calls.collect())?,
    })
}

fn drawn(draw: impl Fn(Room) -> Result<String, HtmlError>) -> Result<Drawn, HtmlError> {
    Ok(Drawn {
        wide: draw(WIDE)?,
        narrow: draw(NARROW)?,
    })
}

fn failed(error: impl std::fmt::Display) -> HtmlError {
    HtmlError::Chart(error.to_string())
}

fn text_style() -> TextStyle<'static> {
    ("sans-serif", FONT).into_font().color(&INK.drawn())
}

/// Writes, rows and failures in a second over time, the limit as a line, pauses as shades behind them.
fn over_time(throughput: &Throughput, room: Room) -> Result<String, HtmlError> {
    let width = throughput.width;
    let length = width * throughput.buckets.len() as f64;
    let most = throughput.buckets.iter();
    let most = most.map(|bucket| bucket.writes.max(bucket.rows) as f64 / width);
    let limits = throughput.limits.iter().map(|(_, _, limit)| *limit);
    let top = most.chain(limits).fold(1.0, f64::max) * 1.08;
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (room.width, room.height)).into_drawing_area();
        let mut chart = ChartBuilder::on(&area)
            .margin(6)
            .margin_right(16)
            .x_label_area_size(24)
            .y_label_area_size(44)
            .build_cartesian_2d(0.0..length, 0.0..top)
            .map_err(failed)?;
        let spans = [(&throughput.paused, &PAUSED), (&throughput.away, &AWAY)];
        for (spans, colour) in spans {
            let shades = spans.iter().map(|(from, until)| {
                // What is shorter than a line is drawn as a line.
                let until = until.max(from + length / 400.0).min(length);
                Rectangle::new(
                    [(*from, 0.0), (until, top)],
                    colour.drawn().mix(0.45).filled(),
                )
            });
            chart.draw_series(shades).map_err(failed)?;
        }
        chart
            .configure_mesh()
            .disable_x_mesh()
            .bold_line_style(GRID.drawn())
            .light_line_style(TRANSPARENT)
            .axis_style(GRID.drawn())
            .label_style(text_style())
            .x_labels(room.moments)
            .x_label_formatter(&|second| clock(throughput, *second))
            .y_labels(6)
            .y_label_formatter(&|value| words::number(value.round() as u64))
            .draw()
            .map_err(failed)?;
        let writes = steps(throughput, |bucket| bucket.writes);
        let fill = WRITES.drawn().mix(0.25);
        let writes = AreaSeries::new(writes, 0.0, fill).border_style(WRITES.drawn());
        chart.draw_series(writes).map_err(failed)?;
        let rows = steps(throughput, |bucket| bucket.rows);
        let rows = LineSeries::new(rows, CREATED.drawn().stroke_width(2));
        chart.draw_series(rows).map_err(failed)?;
        if throughput.buckets.iter().any(|bucket| bucket.failed > 0) {
            let failures = steps(throughput, |bucket| bucket.failed);
            let failures = LineSeries::new(failures, FAILED.drawn().stroke_width(2));
            chart.draw_series(failures).map_err(failed)?;
        }
        for (from, until, limit) in &throughput.limits {
            let line = [(*from, *limit), (until.min(length), *limit)];
            let line = DashedLineSeries::new(line, 7, 4, LIMIT.drawn().stroke_width(2));
            chart.draw_series(line).map_err(failed)?;
        }
        for (at, _) in &throughput.cuts {
            let line = DashedLineSeries::new([(*at, 0.0), (*at, top)], 2, 3, INK.drawn().into());
            chart.draw_series(line).map_err(failed)?;
        }
        area.present().map_err(failed)?;
    }
    Ok(svg)
}

/// The corners of the line that stays at a bucket's value for as long as the bucket lasts.
fn steps(throughput: &Throughput, value: impl Fn(&super::Bucket) -> u64) -> Vec<(f64, f64)> {
    let width = throughput.width;
    let mut corners: Vec<(f64, f64)> = Vec::new();
    for (place, bucket) in throughput.buckets.iter().enumerate() {
        let (from, height) = (place as f64 * width, value(bucket) as f64 / width);
        match corners.last_mut() {
            // Nothing changes: the line goes on.
            Some(last) if last.1 == height => last.0 = from + width,
            _ => corners.extend([(from, height), (from + width, height)]),
        }
    }
    corners
}

/// The time of day, with seconds where the whole is short.
fn clock(throughput: &Throughput, second: f64) -> String {
    let place = (second / throughput.width).floor().max(0.0);
    let last = throughput.buckets.len().saturating_sub(1);
    let bucket = throughput.buckets.get((place as usize).min(last));
    let within = second - place.min(last as f64) * throughput.width;
    let at = bucket.map_or(0, |bucket| bucket.at) + (within * 1000.0) as i64;
    let shown = words::moment(at);
    let length = throughput.width * throughput.buckets.len() as f64;
    let end = if length < 600.0 { 19 } else { 16 };
    shown.get(11..end).unwrap_or_default().to_owned()
}

/// A name, and what its bar is made of.
struct Bar {
    name: String,
    parts: Vec<(u64, &'static Colour)>,
}

impl Bar {
    fn length(&self) -> u64 {
        self.parts.iter().map(|(count, _)| count).sum()
    }
}

fn organization_bar(one: &Organization) -> Bar {
    Bar {
        name: one.name.clone(),
        parts: vec![
            (one.created, &CREATED),
            (one.updated, &UPDATED),
            (one.unchanged, &UNCHANGED),
            (one.failed, &FAILED),
        ],
    }
}

fn bars(bars: Vec<Bar>) -> Result<Option<Drawn>, HtmlError> {
    let longest = bars.iter().map(Bar::length).max().unwrap_or(0);
    match longest {
        0 => Ok(None),
        _ => drawn(|room| lying(&bars, longest, room)).map(Some),
    }
}

/// Lying bars, the first one at the top, each with its name before it and its number behind it.
fn lying(bars: &[Bar], longest: u64, room: Room) -> Result<String, HtmlError> {
    let names: Vec<String> = bars
        .iter()
        .map(|bar| cut(&bar.name, room.letters))
        .collect();
    let letters = names.iter().map(|name| name.chars().count() as u32).max();
    let before = letters.unwrap_or(0) * LETTER + 12;
    let behind = words::number(longest).len() as u32 * LETTER + 12;
    let height = bars.len() as u32 * 24 + 8;
    let inner = f64::from(room.width.saturating_sub(before + behind).max(1));
    // The numbers behind the bars have their room within the axis.
    let end = longest as f64 * (1.0 + f64::from(behind) / inner);
    // Both ends have a bar.
    let rows: Range<i32> = 0..bars.len() as i32 - 1;
    let place = |row: usize| bars.len() as i32 - 1 - row as i32;
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (room.width, height)).into_drawing_area();
        let mut chart = ChartBuilder::on(&area)
            .margin(4)
            .y_label_area_size(before)
            .build_cartesian_2d(0.0..end, rows.into_segmented())
            .map_err(failed)?;
        chart
            .configure_mesh()
            .disable_mesh()
            .disable_x_axis()
            .axis_style(TRANSPARENT)
            .label_style(text_style())
            .y_labels(bars.len())
            .y_label_formatter(&|value| match value {
                SegmentValue::CenterOf(at) => usize::try_from(*at)
                    .ok()
                    .and_then(|at| names.get(names.len().checked_sub(at + 1)?))
                    .cloned()
                    .unwrap_or_default(),
                _ => String::new(),
            })
            .draw()
            .map_err(failed)?;
        for (row, bar) in bars.iter().enumerate() {
            let at = place(row);
            let mut from = 0.0;
            let pieces = bar
                .parts
                .iter()
                .filter(|(count, _)| *count > 0)
                .map(|(count, colour)| {
                    let until = from + *count as f64;
                    let corners = [
                        (from, SegmentValue::Exact(at)),
                        (until, SegmentValue::Exact(at + 1)),
                    ];
                    from = until;
                    let mut piece = Rectangle::new(corners, colour.drawn().filled());
                    piece.set_margin(4, 4, 0, 0);
                    piece
                });
            chart.draw_series(pieces).map_err(failed)?;
            let style = text_style().pos(Pos::new(HPos::Left, VPos::Center));
            let length = bar.length();
            let behind = EmptyElement::at((length as f64, SegmentValue::CenterOf(at)))
                + Text::new(words::number(length), (5, 0), style);
            chart.draw_series([behind]).map_err(failed)?;
        }
        area.present().map_err(failed)?;
    }
    Ok(svg)
}

fn cut(name: &str, letters: usize) -> String {
    if name.chars().count() <= letters {
        return name.to_owned();
    }
    name.chars()
        .take(letters.saturating_sub(1))
        .chain(['…'])
        .collect()
}
