//! What kind of character something is, as the vocabularies' patterns ask: by Unicode's general categories, whose tables
//! are those of `regex-syntax`.

use std::sync::LazyLock;

use regex_syntax::hir::{Class, HirKind};

/// Lu, Lt, Lm, Lo or M.
pub(super) const UPPER: u8 = 1;
/// Ll, Lm, Lo or M.
pub(super) const LOWER: u8 = 2;
/// Any L.
pub(super) const LETTER: u8 = 4;
/// Any N.
pub(super) const NUMBER: u8 = 8;
/// White space.
pub(super) const SPACE: u8 = 16;
/// A line feed or a carriage return.
pub(super) const NEWLINE: u8 = 32;

const ASCII: [u8; 128] = {
    let mut classes = [0; 128];
    let mut at = 0;
    while at < 128 {
        #[expect(clippy::cast_possible_truncation, reason = "it is below 128")]
        let byte = at as u8;
        classes[at] = match byte {
            b'A'..=b'Z' => UPPER | LETTER,
            b'a'..=b'z' => LOWER | LETTER,
            b'0'..=b'9' => NUMBER,
            b'\n' | b'\r' => SPACE | NEWLINE,
            b' ' | b'\t' | 0x0B | 0x0C => SPACE,
            _ => 0,
        };
        at += 1;
    }
    classes
};

const PAGE: usize = 256;

/// Pages of 256 characters, each kind of page once.
struct Pages {
    index: Vec<u16>,
    pages: Vec<[u8; PAGE]>,
}

static PAGES: LazyLock<Pages> = LazyLock::new(|| {
    let mut classes = vec![0u8; 0x11_0000];
    let categories = [
        (r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", UPPER),
        (r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]", LOWER),
        (r"\p{L}", LETTER),
        (r"\p{N}", NUMBER),
        (r"\s", SPACE),
    ];
    for (pattern, class) in categories {
        let parsed = regex_syntax::parse(pattern).map(regex_syntax::hir::Hir::into_kind);
        let Ok(HirKind::Class(Class::Unicode(ranges))) = parsed else { continue };
        for range in ranges.iter() {
            classes[range.start() as usize..=range.end() as usize].iter_mut().for_each(|known| *known |= class);
        }
    }
    let mut pages: Vec<[u8; PAGE]> = Vec::new();
    let index = classes.chunks_exact(PAGE).map(|page| {
        let place = pages.iter().position(|known| known == page).unwrap_or_else(|| {
            let mut made = [0; PAGE];
            made.copy_from_slice(page);
            pages.push(made);
            pages.len() - 1
        });
        u16::try_from(place).unwrap_or(0)
    });
    let index = index.collect();
    Pages { index, pages }
});

/// The class of the character that begins at a byte of a text, and its length; none at the end.
#[inline]
pub(super) fn at(text: &str, at: usize) -> Option<(u8, usize)> {
    let byte = *text.as_bytes().get(at)?;
    if byte < 128 {
        return Some((ASCII[usize::from(byte)], 1));
    }
    other(text, at)
}

#[cold]
fn other(text: &str, at: usize) -> Option<(u8, usize)> {
    let c = text.get(at..)?.chars().next()?;
    let code = c as usize;
    let page = PAGES.index.get(code / PAGE).map_or(0, |page| usize::from(*page));
    Some((PAGES.pages[page][code % PAGE], c.len_utf8()))
}
