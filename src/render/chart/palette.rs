//! The colours of every chart and page: one meaning each, in a light and a dark form.
//!
//! Text has at least 4.5:1 on every ground it stands on (WCAG 2.2, 1.4.3). Blue for what was measured
//! and forecast against vermilion for our advice survives all three colour-vision deficiencies; each
//! colour also has a shape, a place or a word, so that nothing is said by colour alone.

#![expect(clippy::format_collect, reason = "a few short texts, written once")]

/// A colour by what it means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ink {
    /// The page.
    Paper,
    /// Code and boxes.
    Wash,
    /// Supply (pods) and text.
    Text,
    /// Labels and axes.
    Muted,
    /// Grid lines.
    Rule,
    /// Demand as it was seen.
    Load,
    /// Demand as it is forecast, at even odds.
    Median,
    /// The central 80 % of outcomes.
    Fan80,
    /// The central 95 % of outcomes.
    Fan95,
    /// Our advice, and only that.
    Plan,
    /// The ground of our advice.
    PlanWash,
    /// Campaigns, launches, roll-outs: what is not the rule.
    Mask,
    /// Their ground.
    MaskWash,
    /// Load that a limit of our own held down.
    Censored,
    /// No samples.
    Gap,
    /// The lower rows of the table.
    Band1,
    /// The row above them.
    Band2,
    /// The last row.
    Band3,
}

impl Ink {
    /// Every colour with its CSS variable, its light form (which charts are drawn with) and its dark form.
    pub const ALL: [(Ink, &'static str, u32, u32); 18] = [
        (Ink::Paper, "paper", 0xFF_FFFF, 0x0F_161D),
        (Ink::Wash, "wash", 0xF4_F6F8, 0x18_212A),
        (Ink::Text, "ink", 0x16_202B, 0xE9_EEF3),
        (Ink::Muted, "muted", 0x52_6070, 0xA6_B4C2),
        (Ink::Rule, "rule", 0xD5_DCE3, 0x30_3D4A),
        (Ink::Load, "load", 0x1A_5E94, 0x7D_BCEC),
        (Ink::Median, "median", 0x0B_3A61, 0xDC_ECF9),
        (Ink::Fan80, "fan80", 0x7F_B0D7, 0x3A_73A1),
        (Ink::Fan95, "fan95", 0xBC_D7EC, 0x21_435F),
        (Ink::Plan, "plan", 0xAD_3A0B, 0xFF_9D6B),
        (Ink::PlanWash, "planwash", 0xF8_E3D9, 0x36_241B),
        (Ink::Mask, "mask", 0x9B_2F72, 0xF0_A6CF),
        (Ink::MaskWash, "maskwash", 0xF6_E4EF, 0x3A_2132),
        (Ink::Censored, "cens", 0x7A_6200, 0xE2_C35C),
        (Ink::Gap, "gap", 0xDD_D5C3, 0x4A_4537),
        (Ink::Band1, "b1", 0xF3_F6F8, 0x15_1E27),
        (Ink::Band2, "b2", 0xE4_EAEF, 0x1E_2A35),
        (Ink::Band3, "b3", 0xD3_DCE4, 0x2A_3946),
    ];

    fn row(self) -> &'static (Ink, &'static str, u32, u32) {
        // the table is in the order of the variants; a test holds that
        &Self::ALL[self as usize]
    }

    /// The light form as red, green, blue.
    #[must_use]
    pub fn rgb(self) -> (u8, u8, u8) {
        let [_, red, green, blue] = self.row().2.to_be_bytes();
        (red, green, blue)
    }

    /// The light form as charts write it: `#1A5E94`.
    #[must_use]
    pub fn hex(self) -> String {
        format!("#{:06X}", self.row().2)
    }
}

/// The CSS variables of both forms, dark where the reader's system asks for it.
#[must_use]
pub fn variables() -> String {
    let list = |pick: fn(&(Ink, &str, u32, u32)) -> u32| -> String {
        Ink::ALL.iter().map(|row| format!("--{}:#{:06x};", row.1, pick(row))).collect()
    };
    format!(
        ":root{{color-scheme:light dark;{}}}\n@media screen and (prefers-color-scheme:dark){{:root{{{}}}}}\n",
        list(|row| row.2),
        list(|row| row.3)
    )
}

/// The CSS rules that translate the light colours of a chart to the variables: CSS beats presentation
/// attributes, so a chart stands alone in light and follows the page where there is one.
#[must_use]
pub fn translation() -> String {
    Ink::ALL
        .iter()
        .map(|(ink, name, ..)| {
            let hex = ink.hex();
            format!(".plot [fill=\"{hex}\"]{{fill:var(--{name})}}.plot [stroke=\"{hex}\"]{{stroke:var(--{name})}}\n")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_colours_is_in_the_order_of_the_words() {
        for (index, row) in Ink::ALL.iter().enumerate() {
            assert_eq!(row.0 as usize, index, "{}", row.1);
        }
    }

    #[test]
    fn text_can_be_read_on_every_ground_it_stands_on() {
        // relative luminance and contrast ratio: WCAG 2.2, definitions
        fn luminance(rgb: u32) -> f64 {
            let [_, r, g, b] = rgb.to_be_bytes();
            let linear = |c: u8| {
                let c = f64::from(c) / 255.0;
                if c <= 0.040_45 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
            };
            0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b)
        }
        fn contrast(a: u32, b: u32) -> f64 {
            let (a, b) = (luminance(a), luminance(b));
            (a.max(b) + 0.05) / (a.min(b) + 0.05)
        }
        for text in [Ink::Text, Ink::Muted, Ink::Load, Ink::Plan, Ink::Mask, Ink::Censored] {
            for ground in [Ink::Paper, Ink::Wash, Ink::Band1] {
                let light = contrast(text.row().2, ground.row().2);
                let dark = contrast(text.row().3, ground.row().3);
                assert!(
                    light >= 4.5 && dark >= 4.5,
                    "{text:?} on {ground:?}: {light:.1}, {dark:.1}"
                );
            }
        }
    }
}
