//! How the picture looks, on a light and on a dark background.

use std::fmt::Write;

/// Of each topic: on light, on dark. From the beginning again when there are more topics.
pub(super) const COLOURS: [(&str, &str); 8] = [
    ("#0969da", "#58a6ff"),
    ("#1a7f37", "#3fb950"),
    ("#bc4c00", "#f0883e"),
    ("#8250df", "#bc8cff"),
    ("#bf3989", "#f778ba"),
    ("#9a6700", "#d29922"),
    ("#0b7285", "#39c5cf"),
    ("#cf222e", "#ff7b72"),
];

const LIGHT: &str = "\
.ground{fill:#ffffff;stroke:#d1d9e0}
.card{fill:#f6f8fa;stroke:#d1d9e0}
.topic{fill:#ffffff;stroke:#818b98}
.title,.row{fill:#1f2328}
.note,.heading{fill:#59636e}
";
const DARK: &str = "\
.ground{fill:#0d1117;stroke:#3d444d}
.card{fill:#151b23;stroke:#3d444d}
.topic{fill:#0d1117;stroke:#9198a1}
.title,.row{fill:#f0f6fc}
.note,.heading{fill:#9198a1}
";
const BOTH: &str = "\
text{font-family:system-ui,-apple-system,'Segoe UI','Helvetica Neue',Arial,sans-serif;dominant-baseline:central}
.title{font-size:14px;font-weight:600}
.row{font-size:12.5px}
.note{font-size:11px;text-anchor:end}
.heading{font-size:12px;text-anchor:middle;letter-spacing:.06em}
.line{fill:none;stroke-width:1.6;stroke-opacity:.75}
.command{stroke-dasharray:5 4}
";

/// The style sheet.
pub(super) fn style() -> String {
    let mut text = BOTH.to_owned() + LIGHT;
    let colours = |text: &mut String, of: fn(&(&'static str, &'static str)) -> &'static str| {
        for (index, colour) in COLOURS.iter().enumerate() {
            let colour = of(colour);
            // A `String` takes everything.
            let _ = writeln!(text, ".s{index}{{stroke:{colour}}}.f{index}{{fill:{colour}}}");
        }
    };
    colours(&mut text, |(light, _)| light);
    text += "@media (prefers-color-scheme:dark){\n";
    text += DARK;
    colours(&mut text, |(_, dark)| dark);
    text + "}\n"
}
