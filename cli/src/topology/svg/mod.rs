//! `topology svg`: the flow as a picture that stands by itself, on a light and on a dark background.

mod layout;
mod style;

use std::fmt::Write;

use fanfare::topology::Topology;

use self::layout::{Card, Kind, Line, picture};
use self::style::{COLOURS, style};
use super::flow::Flow;

/// The tip of an arrow, in pixels.
const TIP: f64 = 6.0;

/// The picture.
pub(crate) fn svg(topology: &Topology) -> String {
    let flow = Flow::new(topology);
    let picture = picture(topology, &flow);
    let (width, height) = (picture.width, picture.height);
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
         height=\"{height}\" role=\"img\">\n<title>The events of {}</title>\n<style>\n{}</style>\n",
        escaped(&topology.app),
        style()
    );
    let mut add = |line: String| {
        text += &line;
        text.push('\n');
    };
    let (inner_width, inner_height) = (width - 1.0, height - 1.0);
    add(format!(
        "<rect class=\"ground\" x=\"0.5\" y=\"0.5\" width=\"{inner_width}\" height=\"{inner_height}\" rx=\"12\"/>"
    ));
    for (heading, x) in &picture.headings {
        add(format!(
            "<text class=\"heading\" x=\"{x}\" y=\"30\">{heading}</text>"
        ));
    }
    for line in &picture.lines {
        add(self::line(line));
    }
    for card in &picture.cards {
        add(self::card(card));
    }
    text + "</svg>\n"
}

fn line(line: &Line) -> String {
    let ((x1, y1), (x2, y2)) = (line.from, line.to);
    let colour = line.colour % COLOURS.len();
    let command = if line.command { " command" } else { "" };
    let (end, middle) = (x2 - TIP, (x1 + x2) / 2.0);
    format!(
        "<path class=\"line s{colour}{command}\" d=\"M{x1} {y1}C{middle} {y1} {middle} {y2} {end} {y2}\"/>\
         <path class=\"f{colour}\" d=\"M{x2} {y2}l-{TIP} -3.5v7z\"/>"
    )
}

fn card(card: &Card<'_>) -> String {
    let (x, y, width, height) = (card.x, card.y, card.width, card.height());
    let (class, round) = match card.kind {
        Kind::Part => ("card", 8),
        Kind::Topic => ("topic", 8),
        Kind::Commands => ("topic command", 8),
    };
    let title_y = y + 16.0;
    let left = x + 14.0;
    let mut text = format!(
        "<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"{round}\"/>\
         <text class=\"title\" x=\"{left}\" y=\"{title_y}\">{}</text>",
        escaped(&card.title)
    );
    if !card.note.is_empty() {
        let right = x + width - 12.0;
        let _ = write!(
            text,
            "<text class=\"note\" x=\"{right}\" y=\"{title_y}\">{}</text>",
            card.note
        );
    }
    for (index, row) in card.rows.iter().enumerate() {
        let y = card.row_y(index);
        let colour = row.colour % COLOURS.len();
        let ty = escaped(row.way.ty);
        let _ = write!(
            text,
            "\n<text class=\"row f{colour}\" x=\"{left}\" y=\"{y}\">{ty}</text>"
        );
    }
    text
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
