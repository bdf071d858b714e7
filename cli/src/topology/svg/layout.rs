//! Where everything goes: senders on the left, topics in the middle, consumers on the right.

use fanfare::Destination;
use fanfare::topology::{Hosting, Topology};

use crate::topology::flow::{Flow, Part, Way};

/// Around the picture, between columns, and between cards of a column.
const MARGIN: f64 = 24.0;
const BETWEEN_COLUMNS: f64 = 150.0;
const BETWEEN_CARDS: f64 = 16.0;
/// Above the cards.
const HEADING: f64 = 30.0;
/// Of a card: its title, a row, and below the last row.
const TITLE: f64 = 30.0;
const ROW: f64 = 20.0;
const BELOW: f64 = 6.0;
/// Beside texts in a card.
const BESIDE: f64 = 14.0;
/// How wide a character is, about, in titles and in rows.
const WIDE_TITLE: f64 = 8.8;
const WIDE_ROW: f64 = 7.4;

/// What is drawn.
pub(super) struct Picture<'a> {
    pub(super) width: f64,
    pub(super) height: f64,
    pub(super) headings: Vec<(&'static str, f64)>,
    pub(super) cards: Vec<Card<'a>>,
    pub(super) lines: Vec<Line>,
}

/// A box with a title and rows.
pub(super) struct Card<'a> {
    pub(super) kind: Kind,
    pub(super) title: String,
    /// Small and at the right of the title.
    pub(super) note: &'static str,
    pub(super) rows: Vec<Row<'a>>,
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) width: f64,
}

/// What a card stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Part,
    Topic,
    /// Commands to one consumer, which no topic carries.
    Commands,
}

/// A type.
pub(super) struct Row<'a> {
    pub(super) way: Way<'a>,
    pub(super) colour: usize,
}

/// From a row to a row.
pub(super) struct Line {
    pub(super) from: (f64, f64),
    pub(super) to: (f64, f64),
    pub(super) colour: usize,
    pub(super) command: bool,
}

impl Card<'_> {
    pub(super) fn height(&self) -> f64 {
        TITLE + self.rows.len() as f64 * ROW + BELOW
    }

    /// The middle of a row.
    pub(super) fn row_y(&self, row: usize) -> f64 {
        self.y + TITLE + (row as f64 + 0.5) * ROW
    }

    fn text_width(&self) -> f64 {
        let note = match self.note.len() {
            0 => 0.0,
            letters => (letters + 2) as f64 * WIDE_ROW,
        };
        let title = self.title.chars().count() as f64 * WIDE_TITLE + note;
        let rows = self
            .rows
            .iter()
            .map(|row| row.way.ty.chars().count() as f64 * WIDE_ROW);
        rows.fold(title, f64::max) + 2.0 * BESIDE
    }
}

/// Lays the flow out. Rows and cards are ordered by where their lines come from, so that few lines cross.
pub(super) fn picture<'a>(topology: &'a Topology, flow: &'a Flow<'a>) -> Picture<'a> {
    let senders: Vec<_> = flow.parts.iter().filter(|part| !part.sends.is_empty()).collect();
    let takers: Vec<_> = flow.parts.iter().filter(|part| part.consumer.is_some()).collect();
    let channels = channels(topology, &senders, &takers);
    let colour = |way: &Way<'_>| {
        channels
            .iter()
            .position(|channel| *channel == way.over)
            .unwrap_or_default()
    };
    let row = |way: &Way<'a>| Row {
        way: *way,
        colour: colour(way),
    };

    let left: Vec<_> = senders
        .iter()
        .map(|part| {
            card(
                Kind::Part,
                part.name.to_owned(),
                "",
                part.sends.iter().map(row).collect(),
            )
        })
        .collect();
    let sent = ways(&left);
    let mut middle: Vec<_> = channels
        .iter()
        .map(|channel| {
            let mut types: Vec<Way<'a>> = Vec::new();
            let all = senders.iter().flat_map(|part| &part.sends);
            for way in all.chain(takers.iter().flat_map(|part| &part.takes)) {
                if way.over == *channel && !types.contains(way) {
                    types.push(*way);
                }
            }
            types.sort_by(|a, b| place(&sent, a).total_cmp(&place(&sent, b)).then(a.ty.cmp(b.ty)));
            let rows = types.iter().map(row).collect();
            match channel {
                Destination::Topic(topic) => card(Kind::Topic, topic.clone(), "", rows),
                Destination::Consumer(consumer) => {
                    card(Kind::Commands, format!("to {consumer}"), "commands", rows)
                }
            }
        })
        .collect();
    sort_cards(&mut middle, &sent);
    let carried = ways(&middle);
    let mut right: Vec<_> = takers
        .iter()
        .map(|part| {
            let mut takes = part.takes.clone();
            takes.sort_by(|a, b| place(&carried, a).total_cmp(&place(&carried, b)));
            card(
                Kind::Part,
                part.name.to_owned(),
                hosting(part),
                takes.iter().map(row).collect(),
            )
        })
        .collect();
    sort_cards(&mut right, &carried);

    place_all(left, middle, right)
}

/// Every topic in the order of its name, and every consumer that is sent commands.
fn channels<'a>(
    topology: &'a Topology,
    senders: &[&'a Part<'a>],
    takers: &[&'a Part<'a>],
) -> Vec<&'a Destination> {
    let sends = senders.iter().flat_map(|part| &part.sends);
    let ways = sends.chain(takers.iter().flat_map(|part| &part.takes));
    let all: Vec<_> = ways.map(|way| way.over).collect();
    let topic = |name: &String| {
        let named = |over: &&&Destination| matches!(over, Destination::Topic(topic) if topic == name);
        all.iter().find(named).copied()
    };
    let mut channels: Vec<_> = topology.topics.iter().filter_map(|of| topic(&of.name)).collect();
    for over in all {
        if !channels.contains(&over) {
            channels.push(over);
        }
    }
    channels
}

fn card<'a>(kind: Kind, title: String, note: &'static str, rows: Vec<Row<'a>>) -> Card<'a> {
    Card {
        kind,
        title,
        note,
        rows,
        x: 0.0,
        y: 0.0,
        width: 0.0,
    }
}

fn hosting(part: &Part<'_>) -> &'static str {
    match part.consumer.map(|consumer| &consumer.hosting) {
        Some(Hosting::Function(_)) => "function",
        _ => "",
    }
}

/// The ways of all rows of a column, from top to bottom.
fn ways<'a>(column: &[Card<'a>]) -> Vec<Way<'a>> {
    let rows = column.iter().flat_map(|card| &card.rows);
    rows.map(|row| row.way).collect()
}

/// Where a way is in a column, on average; at its end if it isn't there.
fn place(column: &[Way<'_>], way: &Way<'_>) -> f64 {
    let places: Vec<_> = (0..column.len()).filter(|index| column[*index] == *way).collect();
    match places.len() {
        0 => column.len() as f64,
        count => places.iter().sum::<usize>() as f64 / count as f64,
    }
}

fn sort_cards(cards: &mut [Card<'_>], before: &[Way<'_>]) {
    let mean = |card: &Card<'_>| match card.rows.len() {
        0 => before.len() as f64,
        count => card.rows.iter().map(|row| place(before, &row.way)).sum::<f64>() / count as f64,
    };
    cards.sort_by(|a, b| mean(a).total_cmp(&mean(b)));
}

fn place_all<'a>(left: Vec<Card<'a>>, middle: Vec<Card<'a>>, right: Vec<Card<'a>>) -> Picture<'a> {
    let mut columns = [("publish", left), ("topics", middle), ("consume", right)];
    let tall = |cards: &[Card<'_>]| {
        let gaps = cards.len().saturating_sub(1) as f64 * BETWEEN_CARDS;
        cards.iter().map(Card::height).sum::<f64>() + gaps
    };
    let tallest = columns.iter().map(|(_, cards)| tall(cards)).fold(0.0, f64::max);
    let mut x = MARGIN;
    let mut headings = Vec::new();
    for (heading, cards) in &mut columns {
        let width = cards.iter().map(Card::text_width).fold(120.0, f64::max).ceil();
        let mut y = MARGIN + HEADING + (tallest - tall(cards)) / 2.0;
        for card in cards.iter_mut() {
            (card.x, card.y, card.width) = (x, y, width);
            y += card.height() + BETWEEN_CARDS;
        }
        headings.push((*heading, x + width / 2.0));
        x += width + BETWEEN_COLUMNS;
    }
    let [(_, left), (_, middle), (_, right)] = columns;
    let mut lines = lines(&left, &middle);
    lines.extend(self::lines(&middle, &right));
    Picture {
        width: x - BETWEEN_COLUMNS + MARGIN,
        height: 2.0 * MARGIN + HEADING + tallest,
        headings,
        cards: left.into_iter().chain(middle).chain(right).collect(),
        lines,
    }
}

/// From each row of these cards to the same way's rows of those.
fn lines(from: &[Card<'_>], to: &[Card<'_>]) -> Vec<Line> {
    let ends = |cards: &[Card<'_>]| -> Vec<_> {
        let rows = |card: &Card<'_>| -> Vec<_> {
            let end = |index: usize| (index, card.x, card.x + card.width, card.row_y(index));
            (0..card.rows.len()).map(end).collect()
        };
        cards
            .iter()
            .enumerate()
            .flat_map(|(card, of)| rows(of).into_iter().map(move |end| (card, end)))
            .collect()
    };
    let mut lines = Vec::new();
    for (sender, (row, _, right, from_y)) in ends(from) {
        let sent = &from[sender].rows[row];
        for (taker, (row, left, _, to_y)) in ends(to) {
            if to[taker].rows[row].way == sent.way {
                lines.push(Line {
                    from: (right, from_y),
                    to: (left, to_y),
                    colour: sent.colour,
                    command: matches!(sent.way.over, Destination::Consumer(_)),
                });
            }
        }
    }
    lines
}
