//! The `strftime_now` function: the present date in the words that a template asks for.

use jiff::civil::{DateTime, Weekday};
use jiff::tz::TimeZone;
use minijinja::{Error, State};

use super::values::{failure, pay};

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// `strftime` of a local time without a zone, as Python has it with glibc in the C locale.
///
/// What glibc does not know it leaves as it stands, and so does this.
pub(super) fn format(state: &State, format: &str, now: DateTime) -> Result<String, Error> {
    let mut text = String::new();
    let mut rest = format;
    while let Some(at) = rest.find('%') {
        text.push_str(&rest[..at]);
        let (directive, after) = Directive::parse(&rest[at..]);
        pay(state, directive.width)?;
        directive.write(now, &mut text)?;
        rest = after;
    }
    Ok(text + rest)
}

/// One `%` with what follows.
struct Directive<'a> {
    /// All of it.
    source: &'a str,
    pad: Option<char>,
    upper: bool,
    swap: bool,
    width: usize,
    /// `E` or `O`.
    modifier: Option<char>,
    letter: Option<char>,
}

/// What a directive means.
enum Meaning {
    /// A number with at least so many digits, filled up with a character.
    Number(i64, usize, char),
    Text(String),
    /// Other directives.
    Several(&'static str),
    /// Python's own: no padding, no case.
    Bare(String),
    Unknown,
}

impl<'a> Directive<'a> {
    fn parse(source: &'a str) -> (Self, &'a str) {
        let mut directive =
            Self { source, pad: None, upper: false, swap: false, width: 0, modifier: None, letter: None };
        let mut rest = &source[1..];
        while let Some(flag) = rest.chars().next().filter(|flag| "_-0^#".contains(*flag)) {
            match flag {
                '^' => directive.upper = true,
                '#' => directive.swap = true,
                pad => directive.pad = Some(pad),
            }
            rest = &rest[1..];
        }
        while let Some(digit) = rest.chars().next().and_then(|digit| digit.to_digit(10)) {
            directive.width = directive.width.saturating_mul(10).saturating_add(digit as usize);
            rest = &rest[1..];
        }
        directive.modifier = rest.chars().next().filter(|modifier| "EO".contains(*modifier));
        rest = &rest[directive.modifier.map_or(0, char::len_utf8)..];
        directive.letter = rest.chars().next();
        rest = &rest[directive.letter.map_or(0, char::len_utf8)..];
        directive.source = &source[..source.len() - rest.len()];
        (directive, rest)
    }

    fn meaning(&self, now: DateTime) -> Result<Meaning, Error> {
        use Meaning::{Bare, Number, Several, Text, Unknown};

        let date = now.date();
        let weekday = date.weekday();
        let (month, day) = (MONTHS[now.month() as usize - 1], DAYS[weekday.to_sunday_zero_offset() as usize]);
        let hour12 = (i64::from(now.hour()) + 11) % 12 + 1;
        let day_of_year = i64::from(date.day_of_year());
        let iso = date.iso_week_date();
        let year = i64::from(now.year());
        let half = if now.hour() < 12 { "AM" } else { "PM" };
        let week = |first: Weekday| (day_of_year - 1 + 7 - i64::from(first.until(weekday))) / 7;
        let two = |number: i8| Number(i64::from(number), 2, '0');
        let plain = self.source.len() == 2;
        let Some(letter) = self.letter else { return Ok(Unknown) };
        let allowed = match self.modifier {
            Some('E') => "cCxXyY",
            Some(_) => "bBdeHIklmMSuUVwWy",
            None => {
                return Ok(match letter {
                    'f' if plain => Bare(format!("{:06}", now.subsec_nanosecond() / 1000)),
                    'z' | 'Z' if plain => Bare(String::new()),
                    'z' | 'Z' => Text(String::new()),
                    'a' => Text(day[..3].to_owned()),
                    'A' => Text(day.to_owned()),
                    'b' | 'h' => Text(month[..3].to_owned()),
                    'B' => Text(month.to_owned()),
                    'c' => Several("%a %b %e %H:%M:%S %Y"),
                    'C' => Number(year.div_euclid(100), 2, '0'),
                    'd' => two(now.day()),
                    'D' | 'x' => Several("%m/%d/%y"),
                    'e' => Number(i64::from(now.day()), 2, '_'),
                    'F' => Several("%Y-%m-%d"),
                    'g' => Number(i64::from(iso.year()).rem_euclid(100), 2, '0'),
                    'G' => Number(i64::from(iso.year()), 4, '0'),
                    'H' => two(now.hour()),
                    'I' => Number(hour12, 2, '0'),
                    'j' => Number(day_of_year, 3, '0'),
                    'k' => Number(i64::from(now.hour()), 2, '_'),
                    'l' => Number(hour12, 2, '_'),
                    'm' => two(now.month()),
                    'M' => two(now.minute()),
                    'n' => Text("\n".to_owned()),
                    'p' if self.swap => Text(half.to_lowercase()),
                    'p' => Text(half.to_owned()),
                    'P' => Text(half.to_lowercase()),
                    'r' => Several("%I:%M:%S %p"),
                    'R' => Several("%H:%M"),
                    's' => {
                        let zoned =
                            now.to_zoned(TimeZone::system()).map_err(|error| failure(error.to_string()))?;
                        Number(zoned.timestamp().as_second(), 1, '0')
                    }
                    'S' => two(now.second()),
                    't' => Text("\t".to_owned()),
                    'T' | 'X' => Several("%H:%M:%S"),
                    'u' => Number(i64::from(weekday.to_monday_one_offset()), 1, '0'),
                    'U' => Number(week(Weekday::Sunday), 2, '0'),
                    'V' => Number(i64::from(iso.week()), 2, '0'),
                    'w' => Number(i64::from(weekday.to_sunday_zero_offset()), 1, '0'),
                    'W' => Number(week(Weekday::Monday), 2, '0'),
                    'y' => Number(year.rem_euclid(100), 2, '0'),
                    'Y' => Number(year, 4, '0'),
                    '%' => Text("%".to_owned()),
                    _ => Unknown,
                });
            }
        };
        if allowed.contains(letter) { Self { modifier: None, ..*self }.meaning(now) } else { Ok(Unknown) }
    }

    fn write(&self, now: DateTime, to: &mut String) -> Result<(), Error> {
        let (text, fill) = match self.meaning(now)? {
            Meaning::Bare(text) => {
                to.push_str(&text);
                return Ok(());
            }
            Meaning::Number(number, digits, pad) => {
                let pad = self.pad.unwrap_or(pad);
                let digits = if pad == '-' { 1 } else { digits };
                let fill = if pad == '0' { '0' } else { ' ' };
                (padded(&number.to_string(), digits, fill), fill)
            }
            Meaning::Text(text) => (text, if self.pad == Some('0') { '0' } else { ' ' }),
            Meaning::Several(directives) => {
                let mut text = String::new();
                let mut rest = directives;
                while let Some(at) = rest.find('%') {
                    text.push_str(&rest[..at]);
                    let (directive, after) = Self::parse(&rest[at..]);
                    directive.write(now, &mut text)?;
                    rest = after;
                }
                (text + rest, if self.pad == Some('0') { '0' } else { ' ' })
            }
            Meaning::Unknown => (self.source.to_owned(), if self.pad == Some('0') { '0' } else { ' ' }),
        };
        let names = matches!(self.letter, Some('a' | 'A' | 'b' | 'B' | 'h'));
        let text = if self.upper || self.swap && names { text.to_uppercase() } else { text };
        to.push_str(&padded(&text, self.width, fill));
        Ok(())
    }
}

/// A text with enough before it.
fn padded(text: &str, width: usize, fill: char) -> String {
    let missing = width.saturating_sub(text.chars().count());
    std::iter::repeat_n(fill, missing).chain(text.chars()).collect()
}
