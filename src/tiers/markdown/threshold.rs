//! A load range as people write it: `< 10 rps`, `10–50 req/s`, `１０〜５０ rps`, `200 rps 以上`, `600 rpm or more`.
//!
//! The text is cut into tokens, the tokens are spelled as one letter each, and the word so formed says
//! which form it is. What fits no form is no range: a guess here would be a wrong size later.

/// A load range in rps. Boundaries belong to the upper row, whatever sign (`<`, `≤`) the text has.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Threshold {
    /// Where it begins, if it says so.
    pub from: Option<f64>,
    /// Where it ends, if it says so.
    pub below: Option<f64>,
}

/// A range that is one, but not of requests over time: the unit that stands there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherUnit(pub String);

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Number(f64),
    /// A unit of load: the number is divided by this to be rps.
    Unit(f64),
    Less,
    More,
    To,
    Word(String),
}

/// Phrases of more than one word, or of scripts without spaces, and what they come to.
const PHRASES: [(&str, &str); 31] = [
    ("per second", "/s"),
    ("per sec", "/s"),
    ("per minute", "/min"),
    ("per min", "/min"),
    ("per hour", "/h"),
    ("リクエスト毎秒", "rps"),
    ("リクエスト/秒", "rps"),
    ("件/秒", "rps"),
    ("回/秒", "rps"),
    ("/秒", "/s"),
    ("件/分", "rpm"),
    ("/分", "/min"),
    ("未満", " less "),
    ("以下", " less "),
    ("より小さい", " less "),
    ("より少ない", " less "),
    ("まで", " less "),
    ("以上", " more "),
    ("を超える", " more "),
    ("超え", " more "),
    ("超", " more "),
    ("より大きい", " more "),
    ("より多い", " more "),
    ("から", "-"),
    ("万", "0000"),
    ("up to", "<"),
    ("at most", "<"),
    ("at least", ">"),
    ("..", "-"),
    ("→", "-"),
    ("…", "-"),
];

/// Text in the plain spelling: full-width forms, dashes and comparison signs as ASCII, lower case.
#[must_use]
pub fn plain(text: &str) -> String {
    let narrow = |c: char| match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
        '\u{301c}' | '\u{223c}' | '\u{2053}' => '~',
        '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{fe63}' => '-',
        '≤' | '≦' | '⩽' => '<',
        '≥' | '≧' | '⩾' => '>',
        c if c.is_whitespace() => ' ',
        c => c,
    };
    text.chars().map(narrow).flat_map(char::to_lowercase).collect()
}

/// The load range that `text` holds: in its last parentheses, after its colon, or as a whole.
///
/// # Errors
///
/// Where it holds a range of something that is not requests over time.
pub fn threshold(text: &str) -> Result<Option<Threshold>, OtherUnit> {
    let text = plain(text);
    let inner = |part: &str| part.split(')').next().map(str::to_owned);
    let in_parentheses = text.split('(').skip(1).filter_map(inner);
    let after_colon = text.rsplit_once(':').map(|(_, part)| part.to_owned());
    let parts = in_parentheses.collect::<Vec<_>>().into_iter().rev();
    for part in parts.chain(after_colon).chain([text.clone()]) {
        if let Some(found) = range(&tokens(&part))? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// By how much a load in the unit that `text` names is divided to be rps: 60 of `requests per minute`.
#[must_use]
pub fn unit_in(text: &str) -> Option<f64> {
    tokens(&plain(text)).into_iter().find_map(|token| match token {
        Token::Unit(divisor) => Some(divisor),
        _ => None,
    })
}

fn tokens(text: &str) -> Vec<Token> {
    let mut text = text.to_owned();
    for (phrase, plain) in PHRASES {
        text = text.replace(phrase, plain);
    }
    let mut rest = text.as_str();
    let mut tokens = Vec::new();
    while let Some(first) = rest.chars().next() {
        let (token, length) = if first.is_ascii_digit() {
            number(rest)
        } else if first.is_alphabetic() || first == '/' || first == '%' {
            word(rest)
        } else {
            (sign(first), first.len_utf8())
        };
        tokens.extend(token);
        rest = rest[length..].trim_start_matches(|c| c == '=' && "<>".contains(first));
    }
    tokens
}

fn sign(sign: char) -> Option<Token> {
    match sign {
        '<' => Some(Token::Less),
        '>' | '+' => Some(Token::More),
        '-' | '~' => Some(Token::To),
        _ => None,
    }
}

/// `1,000`, `1.5`, `2k`; a number that is none (`1.2.3`) becomes a word, which no form has.
fn number(text: &str) -> (Option<Token>, usize) {
    let inside = |c: char| c.is_ascii_digit() || c == '.' || c == ',';
    let length = text.find(|c| !inside(c)).unwrap_or(text.len());
    let digits = text[..length].trim_end_matches(['.', ',']);
    let thousand = text[length..].strip_prefix('k');
    let thousand = thousand
        .filter(|rest| !rest.starts_with(|c: char| c.is_alphabetic() && c != 'r' && c != 'q'));
    let (scale, length) = if thousand.is_some() { (1000.0, length + 1) } else { (1.0, length) };
    let token = match digits.replace(',', "").parse::<f64>() {
        Ok(number) if grouped_by_thousands(digits) && !could_be_thousands(digits) => {
            Token::Number(number * scale)
        }
        _ => Token::Word(digits.to_owned()),
    };
    (Some(token), length)
}

/// Whether every comma has three digits after it: `1,000` is a thousand, `1,5` is not said.
fn grouped_by_thousands(digits: &str) -> bool {
    let whole = digits.split('.').next().unwrap_or_default();
    let mut groups = whole.split(',');
    groups.next().is_some_and(|first| !first.is_empty()) && groups.all(|group| group.len() == 3)
}

/// Whether half of the world reads thousands here: `1.000`, which is one or a thousand; `0.125` is neither.
fn could_be_thousands(digits: &str) -> bool {
    let Some((whole, decimals)) = digits.split_once('.') else { return false };
    decimals.len() == 3 && !whole.contains(',') && !whole.starts_with('0')
}

fn word(text: &str) -> (Option<Token>, usize) {
    let inside = |c: char| c.is_alphabetic() || c == '/' || c == '%';
    let length = text.find(|c| !inside(c)).unwrap_or(text.len());
    let word = &text[..length];
    let token = match word {
        "less" | "below" | "under" | "fewer" | "max" => Some(Token::Less),
        "more" | "above" | "over" | "greater" | "from" | "exceeds" | "min" => Some(Token::More),
        "to" | "and" | "until" | "through" => Some(Token::To),
        "than" | "or" | "between" | "the" | "x" | "load" | "about" | "負荷" | "req" | "reqs"
        | "requests" | "request" | "リクエスト" => None,
        _ => Some(divisor(word).map_or_else(|| Token::Word(word.to_owned()), Token::Unit)),
    };
    (token, length)
}

/// By what a number of this unit is divided to be requests per second.
fn divisor(unit: &str) -> Option<f64> {
    let time = match unit {
        "rps" | "qps" | "tps" => "s",
        "rpm" | "qpm" | "tpm" => "min",
        "rph" => "h",
        _ => {
            let (what, time) = unit.split_once('/')?;
            let requests = ["", "r", "req", "reqs", "request", "requests", "queries", "calls"];
            requests.contains(&what).then_some(time)?
        }
    };
    match time {
        "s" | "sec" | "second" => Some(1.0),
        "m" | "min" | "minute" => Some(60.0),
        "h" | "hour" => Some(3600.0),
        _ => None,
    }
}

fn range(tokens: &[Token]) -> Result<Option<Threshold>, OtherUnit> {
    let first_number = tokens.iter().position(|token| matches!(token, Token::Number(_)));
    let Some(first_number) = first_number else {
        return Ok(None);
    };
    let mut form = String::new();
    let mut numbers = Vec::new();
    let mut divisors: Vec<f64> = Vec::new();
    let mut strange = None;
    for (position, token) in tokens.iter().enumerate() {
        match token {
            Token::Number(number) => {
                form.push('N');
                numbers.push(*number);
            }
            Token::Less => form.push('<'),
            Token::More => form.push('>'),
            Token::To => form.push('-'),
            Token::Unit(divisor) => divisors.push(*divisor),
            // before the number it is the row's name
            Token::Word(word) if position > first_number => strange = strange.or(Some(word)),
            Token::Word(_) => form.clear(),
        }
    }
    divisors.dedup();
    let Some(threshold) = by_form(&form, &numbers, divisors.first().copied().unwrap_or(1.0)) else {
        return Ok(None);
    };
    match strange {
        Some(unit) => Err(OtherUnit(unit.clone())),
        None if divisors.len() > 1 => Err(OtherUnit("two units at once".to_owned())),
        None => Ok(Some(threshold)),
    }
}

fn by_form(form: &str, numbers: &[f64], divisor: f64) -> Option<Threshold> {
    let rps = |index: usize| numbers.get(index).map(|number| number / divisor);
    let (from, below) = match form {
        "<N" | "N<" | "-N" | "-N<" | "N-<" => (None, rps(0)),
        ">N" | "N>" | "N-" | "N->" => (rps(0), None),
        "N-N" | ">N-N" | "N-<N" | "N-N<" | "N>N<" | "N>-N<" | ">N<N" | ">N-<N" | "N<<N"
        | "N><N" | "N>-<N" => (rps(0), rps(1)),
        "<N>N" | "<N->N" => (rps(1), rps(0)),
        _ => return None,
    };
    Some(Threshold { from, below })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read(text: &str) -> Option<(Option<f64>, Option<f64>)> {
        threshold(text).unwrap().map(|found| (found.from, found.below))
    }

    #[test]
    fn a_range_is_read_in_the_spellings_that_runbooks_have() {
        let between = Some((Some(10.0), Some(50.0)));
        for text in [
            "Medium (10-50 rps)",
            "Medium (10 - 50 rps)",
            "Medium (10–50 rps)",
            "Medium (10—50 req/s)",
            "中 (10〜50 rps)",
            "中（１０～５０ rps）",
            "中（10から50リクエスト/秒）",
            "中 (10 以上 50 未満 rps)",
            "Medium (10 to 50 rps)",
            "Medium: 10..50 requests per second",
            "Medium (10 ≤ x < 50 rps)",
            "Medium (>= 10 and < 50 rps)",
            "Medium (between 10 and 50 rps)",
            "Tier 2 (10-50)",
            "Medium (600-3,000 rpm)",
            "10-50 rps",
        ] {
            assert_eq!(read(text), between, "{text}");
        }
    }

    #[test]
    fn an_open_end_is_read_on_either_side() {
        for text in [
            "Low (< 10 rps)",
            "Low (≤10 rps)",
            "Low <10rps",
            "Low (under 10 rps)",
            "低（10 rps 未満）",
            "Low (up to 10 rps)",
            "Low (10 rps or less)",
            "Low (〜10 rps)",
        ] {
            assert_eq!(read(text), Some((None, Some(10.0))), "{text}");
        }
        for text in [
            "Peak (> 200 rps)",
            "Peak (≥ 200 rps)",
            "Peak (200+ rps)",
            "Peak (200 rps+)",
            "高（200 rps 以上）",
            "Peak (200〜 rps)",
            "Peak (more than 200 rps)",
            "Peak (200 rps and more)",
            "Peak (> 0.2k rps)",
        ] {
            assert_eq!(read(text), Some((Some(200.0), None)), "{text}");
        }
        assert_eq!(read("Peak (> 1k rps)"), Some((Some(1000.0), None)));
        assert_eq!(read("Peak (> 1,000 rps)"), Some((Some(1000.0), None)));
        assert_eq!(read("Low (< 0.125 rps)"), Some((None, Some(0.125))));
    }

    #[test]
    fn what_is_no_range_is_none() {
        for text in [
            "",
            "Low",
            "Severity 2 (High)",
            "Tier 1",
            "v1.2.3",
            "(1,5 rps)",
            // one, or a thousand
            "(< 1.000 rps)",
            "10 20 30 rps",
            "( ) (",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn another_unit_is_named_and_not_taken_for_load() {
        assert_eq!(threshold("Low (< 10 users)"), Err(OtherUnit("users".to_owned())));
        assert_eq!(threshold("Low (< 10 %)"), Err(OtherUnit("%".to_owned())));
        assert_eq!(
            threshold("Low (10 rps - 900 rpm)"),
            Err(OtherUnit("two units at once".to_owned()))
        );
    }
}
