//! Rule sets of any size, the same at every run.
#![allow(dead_code, unreachable_pub, reason = "each benchmark is a program of its own")]

/// A word of two or three syllables, the same for the same number.
pub fn word(n: usize) -> String {
    let syllables = ["ka", "to", "mi", "re", "su", "no", "va", "li", "po", "he", "da", "ze", "qu", "fy", "bo", "gi"];
    let mut text = String::new();
    let mut rest = n * 7 + 3;
    for _ in 0..4 {
        text.push_str(syllables[rest % syllables.len()]);
        rest /= syllables.len();
    }
    text
}

/// Rules with three keywords each, a threshold and a list of extensions. With `shared`, keywords are of a hundred words.
pub fn rules(n: usize, shared: bool) -> String {
    let mut text = String::new();
    for rule in 0..n {
        let k = |at: usize| if shared { word((rule * 3 + at) % 100) } else { word(rule * 3 + at) };
        text.push_str(&format!(
            "rule r{rule} {{ when prompt contains any [\"{}\", \"{}\", \"{}\"] and tokens > {} and files contains any [\".e{}\", \".f{}\"] route \"gpt-5\" }}\n",
            k(0), k(1), k(2), rule % 997 * 10, rule % 13, rule % 7,
        ));
    }
    text.push_str("default { route \"gpt-5-mini\" }");
    text
}
