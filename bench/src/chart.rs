//! Charts as SVG, drawn from figures: panels below each other with one time axis, lines on them, a legend.

use std::fmt::Write as _;

const WIDTH: f64 = 860.0;
const PANEL: f64 = 210.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 54.0;
const GAP: f64 = 52.0;

/// Told apart with and without colour sight.
const COLOURS: [&str; 4] = ["#0b62b8", "#d1570a", "#1a7f4b", "#8a3ab9"];

/// A picture.
pub(crate) struct Chart {
    pub(crate) title: String,
    /// What the horizontal axis counts.
    pub(crate) across: &'static str,
    pub(crate) panels: Vec<Panel>,
}

/// A part of it with a vertical axis of its own, which begins at zero.
pub(crate) struct Panel {
    /// What the vertical axis counts.
    pub(crate) up: String,
    pub(crate) lines: Vec<Line>,
}

/// One line on it.
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) points: Vec<(f64, f64)>,
}

impl Chart {
    /// The picture's text.
    pub(crate) fn svg(&self) -> String {
        let count = self.panels.len() as f64;
        let height = TOP + count * PANEL + (count - 1.0).max(0.0) * GAP + 46.0;
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" \
             font-family=\"sans-serif\" font-size=\"12\" fill=\"#1d2430\">\n<title>{0}</title>\n\
             <rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#ffffff\"/>\n\
             <text x=\"{LEFT}\" y=\"24\" font-size=\"15\" font-weight=\"600\">{0}</text>\n",
            escaped(&self.title)
        );
        let last = self.points().map(|(x, _)| x).fold(0.0, f64::max).max(f64::MIN_POSITIVE);
        for (number, panel) in self.panels.iter().enumerate() {
            panel.draw(&mut svg, TOP + number as f64 * (PANEL + GAP), last);
        }
        let _ = writeln!(
            svg,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>\n</svg>",
            WIDTH - RIGHT,
            height - 8.0,
            escaped(self.across)
        );
        svg
    }

    fn points(&self) -> impl Iterator<Item = (f64, f64)> {
        self.panels.iter().flat_map(|panel| &panel.lines).flat_map(|line| line.points.iter().copied())
    }
}

impl Panel {
    fn draw(&self, svg: &mut String, top: f64, last: f64) {
        let most = self.lines.iter().flat_map(|line| &line.points).map(|(_, y)| *y).fold(0.0, f64::max);
        let step = round_step(most / 4.0);
        let ceiling = (most / step).ceil().max(1.0) * step;
        let x = |value: f64| LEFT + value / last * (WIDTH - LEFT - RIGHT);
        let y = |value: f64| top + PANEL - value / ceiling * PANEL;
        let _ = writeln!(svg, "<text x=\"{LEFT}\" y=\"{}\">{}</text>", top - 10.0, escaped(&self.up));
        let mut mark = 0.0;
        while mark <= ceiling + step / 2.0 {
            let at = y(mark);
            let _ = writeln!(
                svg,
                "<path d=\"M{LEFT} {at:.1}H{}\" stroke=\"#d9dee6\"/>\
                 <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                WIDTH - RIGHT,
                LEFT - 8.0,
                at + 4.0,
                number(mark)
            );
            mark += step;
        }
        let step = round_step(last / 8.0);
        let mut mark = 0.0;
        while mark <= last {
            let below = top + PANEL + 16.0;
            let _ = writeln!(
                svg,
                "<text x=\"{:.1}\" y=\"{below:.1}\" text-anchor=\"middle\">{}</text>",
                x(mark),
                number(mark)
            );
            mark += step;
        }
        let mut legend = WIDTH - RIGHT;
        for (nth, line) in self.lines.iter().enumerate().rev() {
            let colour = COLOURS[nth % COLOURS.len()];
            let path: Vec<String> = line.points.iter().map(|(a, b)| format!("{:.1} {:.1}", x(*a), y(*b))).collect();
            let _ = writeln!(
                svg,
                "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.6\" points=\"{}\"/>\n\
                 <text x=\"{legend:.0}\" y=\"{}\" text-anchor=\"end\" fill=\"{colour}\">{}</text>",
                path.join(" "),
                top - 10.0,
                escaped(&line.name)
            );
            legend -= 7.0 * line.name.chars().count() as f64 + 18.0;
        }
    }
}

/// 1, 2 or 5 times a power of ten, at least `least`.
fn round_step(least: f64) -> f64 {
    let power = 10_f64.powf(least.max(1e-9).log10().floor());
    [1.0, 2.0, 5.0, 10.0].map(|factor| factor * power).into_iter().find(|step| *step >= least).unwrap_or(10.0 * power)
}

fn number(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_stay_within_their_panel_and_words_are_escaped() {
        let points = (0..100).map(|n| (f64::from(n), f64::from(n * n))).collect();
        let panel = Panel { up: "a < b".to_owned(), lines: vec![Line { name: "x & y".to_owned(), points }] };
        let svg = Chart { title: "t".to_owned(), across: "s", panels: vec![panel] }.svg();
        assert!(svg.contains("a &lt; b") && svg.contains("x &amp; y") && svg.ends_with("</svg>\n"), "{svg}");
        let drawn = svg.split("points=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
        let numbers: Vec<f64> = drawn.split(' ').map(|number| number.parse().unwrap()).collect();
        assert_eq!(numbers.len(), 200);
        for pair in numbers.chunks(2) {
            assert!((LEFT..=WIDTH - RIGHT).contains(&pair[0]) && (TOP..=TOP + PANEL).contains(&pair[1]), "{pair:?}");
        }
    }

    #[test]
    fn steps_are_round() {
        for (least, step) in [(0.3, 0.5), (1.0, 1.0), (1.1, 2.0), (23.0, 50.0), (700.0, 1000.0)] {
            assert!((round_step(least) - step).abs() < 1e-9, "{least}");
        }
        assert_eq!((number(0.5), number(20.0), number(0.0)), ("0.5".to_owned(), "20".to_owned(), "0".to_owned()));
    }
}
