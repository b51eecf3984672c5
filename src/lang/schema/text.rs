//! Texts: their escapes, and the patterns in them where `*` and `?` have a meaning.

/// A character of a text whose escapes were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Char {
    /// Stands for itself, whatever it is.
    Plain(char),
    /// A `*` that was not escaped.
    Star,
    /// A `?` that was not escaped.
    Question,
}

/// What is wrong with an escape, and where: as bytes of the inner text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadEscape {
    /// Its first byte.
    pub start: usize,
    /// The byte after its last.
    pub end: usize,
    /// What is wrong.
    pub message: String,
}

/// Reads the words between the quotes of a text.
pub fn chars(inner: &str) -> Result<Vec<Char>, BadEscape> {
    let mut found = Vec::with_capacity(inner.len());
    let mut rest = inner.char_indices().peekable();
    while let Some((start, c)) = rest.next() {
        let read = match c {
            '*' => Char::Star,
            '?' => Char::Question,
            '\\' => escape(inner, start, &mut rest)?,
            other => Char::Plain(other),
        };
        found.push(read);
    }
    Ok(found)
}

fn escape(
    inner: &str,
    start: usize,
    rest: &mut std::iter::Peekable<std::str::CharIndices<'_>>,
) -> Result<Char, BadEscape> {
    let Some((at, kind)) = rest.next() else {
        return Err(BadEscape { start, end: start + 1, message: "a backslash ends the text".to_owned() });
    };
    let end = at + kind.len_utf8();
    match kind {
        '"' | '\\' | '*' | '?' => Ok(Char::Plain(kind)),
        'n' => Ok(Char::Plain('\n')),
        't' => Ok(Char::Plain('\t')),
        'u' => {
            let braced = inner.get(end..).and_then(|tail| tail.strip_prefix('{')).and_then(|tail| tail.split_once('}'));
            let code = braced.map(|(digits, _)| digits);
            let read = code
                .filter(|digits| (1..=6).contains(&digits.len()))
                .and_then(|digits| u32::from_str_radix(digits, 16).ok().and_then(char::from_u32));
            let length = code.map_or(0, |digits| digits.len() + 2);
            match read {
                Some(c) => {
                    while rest.next_if(|(at, _)| *at < end + length).is_some() {}
                    Ok(Char::Plain(c))
                }
                None => Err(BadEscape {
                    start,
                    end: end + length,
                    message: "`\\u` needs a character's number in braces: `\\u{1F600}`".to_owned(),
                }),
            }
        }
        other => Err(BadEscape { start, end, message: format!("`\\{other}` means nothing") }),
    }
}

/// The text itself, where `*` and `?` are characters like others.
pub fn plain(chars: &[Char]) -> String {
    chars
        .iter()
        .map(|c| match c {
            Char::Plain(c) => *c,
            Char::Star => '*',
            Char::Question => '?',
        })
        .collect()
}

/// A text in quotes, with the escapes that it needs.
pub fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            c if c.is_control() => quoted.push_str(&format!("\\u{{{:X}}}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
