//! `topology mermaid`: the flow as a diagram in text, as GitHub and many editors draw it.

use std::fmt::Write;

use fanfare::Destination;
use fanfare::topology::Topology;

use super::flow::{Flow, Part, Way};

/// The diagram: topics are hexagons, producers are round, commands are dashed.
pub(crate) fn mermaid(topology: &Topology) -> String {
    let flow = Flow::new(topology);
    let mut text = "flowchart LR\n".to_owned();
    for part in &flow.parts {
        let (open, close) = match part.consumer {
            Some(_) => ("[", "]"),
            None => ("([", "])"),
        };
        line(
            &mut text,
            format_args!("{}{open}{}{close}", id('s', part.name), quoted(part.name)),
        );
    }
    for topic in &topology.topics {
        line(
            &mut text,
            format_args!("{}{{{{{}}}}}", id('t', &topic.name), quoted(&topic.name)),
        );
    }
    for part in &flow.parts {
        for (over, types) in by_destination(&part.sends) {
            let arrow = match over {
                Destination::Topic(topic) => format!("-->|{types}| {}", id('t', topic)),
                Destination::Consumer(consumer) => format!("-.->|{types}| {}", id('s', consumer)),
            };
            line(&mut text, format_args!("{} {arrow}", id('s', part.name)));
        }
    }
    for part in &flow.parts {
        for (over, types) in by_destination(&part.takes) {
            // Commands are drawn from who sends them.
            if let Destination::Topic(topic) = over {
                line(
                    &mut text,
                    format_args!("{} -->|{types}| {}", id('t', topic), taker(part)),
                );
            }
        }
    }
    text
}

fn taker(part: &Part<'_>) -> String {
    id('s', part.name)
}

/// The destinations in their order, each with its types.
fn by_destination<'a>(ways: &[Way<'a>]) -> Vec<(&'a Destination, String)> {
    let mut found: Vec<(&Destination, Vec<&str>)> = Vec::new();
    for way in ways {
        match found.iter_mut().find(|(over, _)| *over == way.over) {
            Some((_, types)) => types.push(way.ty),
            None => found.push((way.over, vec![way.ty])),
        }
    }
    found
        .into_iter()
        .map(|(over, types)| (over, quoted(&types.join("\n"))))
        .collect()
}

/// A name that Mermaid takes as such: names have neither `_` nor capital letters, so no two run together.
fn id(kind: char, name: &str) -> String {
    format!("{kind}_{}", name.replace('-', "_").replace('.', "__"))
}

fn quoted(text: &str) -> String {
    let text = text
        .replace('&', "&amp;")
        .replace('"', "#quot;")
        .replace('<', "&lt;");
    format!("\"{}\"", text.replace('\n', "<br/>"))
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    // A `String` takes everything.
    let _ = writeln!(text, "    {line}");
}
