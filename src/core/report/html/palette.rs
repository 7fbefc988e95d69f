//! Owns the colours of a report: each has a name, and a value on light and on dark ground. Charts are drawn in the light
//! ones; the page's style gives every drawn colour the value of its name.

use std::fmt::Write;

use plotters::style::RGBColor;

/// A colour on light ground, and the same on dark ground.
pub(super) struct Colour {
    name: &'static str,
    light: RGBColor,
    dark: RGBColor,
}

const fn colour(name: &'static str, light: u32, dark: u32) -> Colour {
    Colour {
        name,
        light: rgb(light),
        dark: rgb(dark),
    }
}

const fn rgb(value: u32) -> RGBColor {
    let [_, red, green, blue] = value.to_be_bytes();
    RGBColor(red, green, blue)
}

pub(super) const INK: Colour = colour("ink", 0x1B2430, 0xE8EBF0);
pub(super) const GRID: Colour = colour("grid", 0xDDE2E9, 0x39414D);
pub(super) const WRITES: Colour = colour("writes", 0x2B66C4, 0x7DB0F7);
pub(super) const CREATED: Colour = colour("created", 0x1A7F52, 0x4FC48B);
// Not quite that of writes: each drawn colour has one name.
pub(super) const UPDATED: Colour = colour("updated", 0x2B66C5, 0x7DB0F6);
pub(super) const UNCHANGED: Colour = colour("unchanged", 0x8A94A3, 0x98A2B1);
pub(super) const FAILED: Colour = colour("failed", 0xC03221, 0xFF8A75);
pub(super) const LIMIT: Colour = colour("limit", 0x5B6674, 0xB4BDCA);
pub(super) const PAUSED: Colour = colour("paused", 0xE39A1B, 0xE8B04A);
pub(super) const AWAY: Colour = colour("away", 0x8B4BB0, 0xC697E2);

const ALL: [&Colour; 10] = [
    &INK, &GRID, &WRITES, &CREATED, &UPDATED, &UNCHANGED, &FAILED, &LIMIT, &PAUSED, &AWAY,
];

impl Colour {
    /// As it is drawn.
    pub(super) fn drawn(&self) -> RGBColor {
        self.light
    }
}

/// The colours as the page's style has them. Paper is light.
pub(super) fn css() -> String {
    let variables = |value: fn(&Colour) -> RGBColor| {
        ALL.iter().fold(String::new(), |mut text, colour| {
            let _ = write!(text, "--{}:{};", colour.name, hex(value(colour)));
            text
        })
    };
    let mut text = format!(
        ":root{{{}}}\n@media screen and (prefers-color-scheme:dark){{:root{{{}}}}}\n",
        variables(|colour| colour.light),
        variables(|colour| colour.dark),
    );
    for colour in ALL {
        let (name, drawn) = (colour.name, hex(colour.light));
        let _ = writeln!(
            text,
            "svg [fill=\"{drawn}\"]{{fill:var(--{name})}}svg [stroke=\"{drawn}\"]{{stroke:var(--{name})}}"
        );
    }
    text
}

fn hex(colour: RGBColor) -> String {
    format!("#{:02X}{:02X}{:02X}", colour.0, colour.1, colour.2)
}
