//! Upper, lower and title case as Python has them, and its kinds of numbers.

use unicode_general_category::{GeneralCategory as Category, get_general_category};

/// The title case of a character, where it is not its upper case.
fn titled(character: char) -> Option<String> {
    let ligature = match character {
        'Ǆ'..='ǆ' => "ǅ",
        'Ǉ'..='ǉ' => "ǈ",
        'Ǌ'..='ǌ' => "ǋ",
        'Ǳ'..='ǳ' => "ǲ",
        // Georgian has no title case.
        'ა'..='ჺ' | 'ჽ'..='ჿ' => return Some(character.into()),
        // A Greek letter with an iota below keeps it there.
        '\u{1f80}'..='\u{1faf}' => return char::from_u32(character as u32 | 8).map(String::from),
        '\u{1fb3}' | '\u{1fbc}' => "\u{1fbc}",
        '\u{1fc3}' | '\u{1fcc}' => "\u{1fcc}",
        '\u{1ff3}' | '\u{1ffc}' => "\u{1ffc}",
        '\u{1fb2}' => "\u{1fba}\u{345}",
        '\u{1fb4}' => "\u{386}\u{345}",
        '\u{1fb7}' => "\u{391}\u{342}\u{345}",
        '\u{1fc2}' => "\u{1fca}\u{345}",
        '\u{1fc4}' => "\u{389}\u{345}",
        '\u{1fc7}' => "\u{397}\u{342}\u{345}",
        '\u{1ff2}' => "\u{1ffa}\u{345}",
        '\u{1ff4}' => "\u{38f}\u{345}",
        '\u{1ff7}' => "\u{3a9}\u{342}\u{345}",
        'ß' | 'և' | 'ﬀ'..='ﬆ' | 'ﬓ'..='ﬗ' => {
            let upper: String = character.to_uppercase().collect();
            let mut upper = upper.chars();
            return Some(upper.next().into_iter().chain(upper.flat_map(char::to_lowercase)).collect());
        }
        _ => return None,
    };
    Some(ligature.to_owned())
}

fn push_titled(character: char, to: &mut String) {
    match titled(character) {
        Some(titled) => to.push_str(&titled),
        None => to.extend(character.to_uppercase()),
    }
}

/// Whether a character has a case.
fn is_cased(character: char) -> bool {
    character.is_lowercase() || character.is_uppercase() || is_title(character)
}

/// Whether a character is in title case of its own.
pub(super) fn is_title(character: char) -> bool {
    get_general_category(character) == Category::TitlecaseLetter
}

/// `str.title`: a letter is large where no letter stands before it.
pub(super) fn title(own: &str) -> String {
    let lower = own.to_lowercase();
    // The lower case of a text, as a final sigma depends on what stands around it.
    let same = lower.chars().count() == own.chars().count();
    let mut lower = lower.chars();
    let mut inside = false;
    let mut to = String::with_capacity(own.len());
    for character in own.chars() {
        let small = lower.next();
        match (inside, small.filter(|_| same)) {
            (false, _) => push_titled(character, &mut to),
            (true, Some(small)) => to.push(small),
            (true, None) => to.extend(character.to_lowercase()),
        }
        inside = is_cased(character);
    }
    to
}

/// `str.capitalize`.
pub(super) fn capitalize(own: &str) -> String {
    let mut characters = own.chars();
    let mut to = String::with_capacity(own.len());
    if let Some(first) = characters.next() {
        push_titled(first, &mut to);
        // With the first letter before it, so that a final sigma is one.
        let lower = own.to_lowercase();
        let begin: usize = first.to_lowercase().map(char::len_utf8).sum();
        to.push_str(lower.get(begin..).unwrap_or_default());
    }
    to
}

/// `str.swapcase`.
pub(super) fn swap(own: &str) -> String {
    let mut to = String::with_capacity(own.len());
    for character in own.chars() {
        if character.is_uppercase() {
            to.extend(character.to_lowercase());
        } else if character.is_lowercase() {
            to.extend(character.to_uppercase());
        } else {
            to.push(character);
        }
    }
    to
}

/// `str.casefold`.
pub(super) fn fold(own: &str) -> String {
    let mut to = String::with_capacity(own.len());
    for character in own.chars() {
        match character {
            'ı' => to.push(character),
            // Cherokee folds to its large letters.
            '\u{13a0}'..='\u{13fd}' | '\u{ab70}'..='\u{abbf}' => to.extend(character.to_uppercase()),
            _ => to.extend(character.to_uppercase().flat_map(char::to_lowercase)),
        }
    }
    to
}

/// `str.istitle`.
pub(super) fn is_titled(own: &str) -> bool {
    let (mut inside, mut any) = (false, false);
    for character in own.chars() {
        let large = character.is_uppercase() || is_title(character);
        if large && inside || character.is_lowercase() && !inside {
            return false;
        }
        inside = is_cased(character);
        any |= inside;
    }
    any
}

/// What a decimal digit of any script is worth: scripts have their ten in a row.
pub(super) fn decimal(character: char) -> Option<u32> {
    let is =
        |code: u32| char::from_u32(code).is_some_and(|c| get_general_category(c) == Category::DecimalNumber);
    let code = character as u32;
    is(code).then(|| (0..code).rev().take_while(|before| is(*before)).count() as u32 % 10)
}

/// `str.isdigit` for one character: decimal digits, and those that stand above, below or in circles.
pub(super) fn is_digit(character: char) -> bool {
    get_general_category(character) == Category::DecimalNumber
        || matches!(
            character as u32,
            0xb2..=0xb3 | 0xb9 | 0x1369..=0x1371 | 0x19da | 0x2070 | 0x2074..=0x2079 | 0x2080..=0x2089
                | 0x2460..=0x2468 | 0x2474..=0x247c | 0x2488..=0x2490 | 0x24ea | 0x24f5..=0x24fd | 0x24ff
                | 0x2776..=0x277e | 0x2780..=0x2788 | 0x278a..=0x2792 | 0x10a40..=0x10a43 | 0x10e60..=0x10e68
                | 0x11052..=0x1105a | 0x1f100..=0x1f10a
        )
}

/// `str.isnumeric` for one character, with the Chinese signs that are numbers.
pub(super) fn is_numeric(character: char) -> bool {
    let category = get_general_category(character);
    matches!(category, Category::DecimalNumber | Category::LetterNumber | Category::OtherNumber)
        || CHINESE_NUMBERS.contains(character)
}

/// Letters of Unicode with a numeric value.
const CHINESE_NUMBERS: &str = "\u{3405}\u{3483}\u{382a}\u{3b4d}\u{4e00}\u{4e03}\u{4e07}\u{4e09}\u{4e5d}\u{4e8c}\u{4e94}\u{4e96}\u{4ebf}\u{4ec0}\u{4edf}\u{4ee8}\u{4f0d}\u{4f70}\u{5104}\u{5146}\u{5169}\u{516b}\u{516d}\u{5341}\u{5343}\u{5344}\u{5345}\u{534c}\u{53c1}\u{53c2}\u{53c3}\u{53c4}\u{56db}\u{58f1}\u{58f9}\u{5e7a}\u{5efe}\u{5eff}\u{5f0c}\u{5f0d}\u{5f0e}\u{5f10}\u{62fe}\u{634c}\u{67d2}\u{6f06}\u{7396}\u{767e}\u{8086}\u{842c}\u{8cae}\u{8cb3}\u{8d30}\u{9621}\u{9646}\u{964c}\u{9678}\u{96f6}\u{f96b}\u{f973}\u{f978}\u{f9b2}\u{f9d1}\u{f9d3}\u{f9fd}\u{20001}\u{20064}\u{200e2}\u{20121}\u{2092a}\u{20983}\u{2098c}\u{2099c}\u{20aea}\u{20afd}\u{20b19}\u{22390}\u{22998}\u{23b1b}\u{2626d}\u{2f890}";
