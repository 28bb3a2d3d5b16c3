//! Bars, as SVG.

use std::error::Error;
use std::path::Path;

use plotters::prelude::*;

const COLOURS: [RGBColor; 6] = [
    RGBColor(120, 120, 120),
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
    let area = SVGBackend::new(path, (900, 420)).into_drawing_area();
    area.fill(&WHITE)?;
    let width = groups.len() as f64;
    let mut chart = ChartBuilder::on(&area)
        .caption(title, ("sans-serif", 18))
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
    for (number, name) in series.iter().enumerate() {
        let colour = COLOURS[number % COLOURS.len()];
        let bars = values.iter().enumerate().filter_map(|(group, row)| {
            let value = row.get(number).copied().flatten()?;
            let left = group as f64 + 0.1 + bar * number as f64;
            Some(Rectangle::new(
                [(left, 0.5), (left + bar * 0.9, value)],
                colour.filled(),
            ))
        });
        chart
            .draw_series(bars)?
            .label(*name)
            .legend(move |(x, y)| Rectangle::new([(x, y - 5), (x + 10, y + 5)], colour.filled()));
    }
    for (group, name) in groups.iter().enumerate() {
        let (x, _) = chart.backend_coord(&(group as f64 + 0.5, 0.5));
        let style =
            ("sans-serif", 14)
                .into_text_style(&area)
                .pos(plotters::style::text_anchor::Pos::new(
                    plotters::style::text_anchor::HPos::Center,
                    plotters::style::text_anchor::VPos::Top,
                ));
        area.draw(&Text::new((*name).to_owned(), (x, 392), style))?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.9))
        .border_style(BLACK.mix(0.3))
        .label_font(("sans-serif", 13))
        .draw()?;
    area.present()?;
    Ok(())
}
