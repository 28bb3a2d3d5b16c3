//! Bars, as SVG.

use std::error::Error;
use std::path::Path;

use plotters::coord::Shift;
use plotters::drawing::DrawingAreaErrorKind;
use plotters::prelude::*;

/// Height of the legend.
const LEGEND: i32 = 24;

const COLOURS: [RGBColor; 7] = [
    RGBColor(120, 120, 120),
    RGBColor(190, 190, 190),
    RGBColor(0, 110, 180),
    RGBColor(60, 160, 120),
    RGBColor(220, 120, 20),
    RGBColor(170, 80, 160),
    RGBColor(190, 60, 60),
];

/// Groups of bars: `values[group][series]`, on a logarithmic scale that begins at 0.5.
///
/// # Errors
/// Why the file cannot be drawn.
pub(crate) fn draw(
    path: &Path,
    title: &str,
    groups: &[&str],
    series: &[&str],
    values: &[Vec<Option<f64>>],
) -> Result<(), Box<dyn Error>> {
    let top = values
        .iter()
        .flatten()
        .flatten()
        .copied()
        .fold(2.0, f64::max)
        * 1.3;
    let page = SVGBackend::new(path, (900, 440)).into_drawing_area();
    page.fill(&WHITE)?;
    // Above the bars, which may be of any height.
    let (above, area) = page
        .titled(title, ("sans-serif", 18))?
        .split_vertically(LEGEND);
    legend(&above, series)?;
    let width = groups.len() as f64;
    let mut chart = ChartBuilder::on(&area)
        .margin(12)
        .x_label_area_size(30)
        .y_label_area_size(50)
        .build_cartesian_2d(0.0..width, (0.5..top).log_scale())?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .x_labels(0)
        .y_desc("times the floor")
        .y_label_formatter(&|value| format!("{value}"))
        .draw()?;
    let bar = 0.8 / series.len() as f64;
    for number in 0..series.len() {
        let colour = COLOURS[number % COLOURS.len()];
        let bars = values.iter().enumerate().filter_map(|(group, row)| {
            let value = row.get(number).copied().flatten()?;
            let left = group as f64 + 0.1 + bar * number as f64;
            Some(Rectangle::new(
                [(left, 0.5), (left + bar * 0.9, value)],
                colour.filled(),
            ))
        });
        chart.draw_series(bars)?;
    }
    for (group, name) in groups.iter().enumerate() {
        let (x, _) = chart.backend_coord(&(group as f64 + 0.5, 0.5));
        let style =
            ("sans-serif", 14)
                .into_text_style(&page)
                .pos(plotters::style::text_anchor::Pos::new(
                    plotters::style::text_anchor::HPos::Center,
                    plotters::style::text_anchor::VPos::Top,
                ));
        page.draw(&Text::new((*name).to_owned(), (x, 412), style))?;
    }
    page.present()?;
    Ok(())
}

/// What each colour is, in one row.
fn legend<B: DrawingBackend>(
    area: &DrawingArea<B, Shift>,
    series: &[&str],
) -> Result<(), DrawingAreaErrorKind<B::ErrorType>> {
    let style = ("sans-serif", 13).into_text_style(area);
    let mut left = 62;
    for (number, name) in series.iter().enumerate() {
        let colour = COLOURS[number % COLOURS.len()];
        let (width, _) = area.estimate_text_size(name, &style)?;
        area.draw(&Rectangle::new(
            [(left, 7), (left + 10, 17)],
            colour.filled(),
        ))?;
        area.draw(&Text::new(
            (*name).to_owned(),
            (left + 15, 6),
            style.clone(),
        ))?;
        left += 15 + i32::try_from(width).unwrap_or_default() + 18;
    }
    Ok(())
}
