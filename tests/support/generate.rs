//! Generated rule sets and requests: every field, operator and kind of value that the language has, in random shapes.
//! The property tests and the fuzzer share it.

use std::borrow::Cow;
use std::collections::HashMap;

use claude_router::lang::input::{Bounds, Facts, Feature, Features, ModelFacts, NUMBER};

/// Random numbers from a seed (SplitMix64).
#[derive(Debug, Clone)]
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % n.max(1) as u64).unwrap_or(0)
    }

    pub fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub fn pick<'a, T: ?Sized>(&mut self, list: &[&'a T]) -> &'a T {
        list[self.below(list.len())]
    }
}

const WORDS: &[&str] = &[
    "implement",
    "implement it",
    "fix",
    "Fix",
    "go",
    "straße",
    "STRASSE",
    "Σίσυφος",
    "σίσυφος",
    "日本",
    "本語",
    "e\u{301}clair",
    "éclair",
    "a b",
    "_x",
    "x1",
    "don't",
    "K",
    "ſ",
    "42",
    "-",
    "\u{e0a}\u{e23}",
    "ー",
    "of",
    "prefix",
];
const PATHS: &[&str] = &[
    "src/main.rs",
    "a.py",
    "Dockerfile",
    "docs/guide/intro.md",
    ".env",
    "x/y/z.tar.gz",
    "lib/Deep/File.RS",
    "web/app.ts",
];
const MEMBERS: &[&str] =
    &[".rs", ".py", "Dockerfile", "src/**", "*.md", "docs/*/intro.md", ".gz", "?.py", "**/file.rs", "app.*", "y/*.gz"];
const TOOLS: &[&str] = &["Bash", "Read", "mcp__db__query", "web_search"];
const TOOL_TESTS: &[&str] = &["Bash", "bash", "mcp__*", "*search", "Nope"];
const MODELS: &[&str] = &["gpt-5", "gpt-5-mini", "claude-sonnet-4-5", "gemini-2.5-pro", "claude-opus-4-1"];
const NUMBERS: &[&str] = &["0", "1", "2", "5", "500", "501", "2k", "2_000", "60k", "1.5M"];
const REGEXES: &[&str] = &["/fix(es|ed)? #\\d+/", "/^impl/i", "/\\bgo\\b/", "/σ/i", "/x\\d/"];

/// A rule set.
pub fn policy(random: &mut Random) -> String {
    let mut text = String::from(
        "budget daily = $10 per day\nbudget each_user = $1 per hour for each user\nlet web = [\".ts\", \".js\"]\nlet big = 2k\n",
    );
    text.push_str("pool some weighted sticky session { \"gpt-5\" 30% \"gpt-5-mini\" }\n");
    text.push_str(&format!("let known = {}\n", condition(random, 2, false)));
    text.push_str("label size ordered {\n");
    for class in ["tiny", "mid", "big_one", "tiny"] {
        let confidence = random.pick(&["", "confidence 80%", "confidence 80%", "confidence 55.5%"]);
        text.push_str(&format!("  {class} when {} {confidence}\n", condition(random, 1, false)));
    }
    text.push_str("  rest otherwise\n}\n");
    for rule in 0..random.below(12) + 1 {
        let target = random.pick(&[
            "\"gpt-5\"",
            "\"gpt-5-mini\" else some",
            "some",
            "model else \"gpt-5\"",
            "same else \"gpt-5\"",
        ]);
        text.push_str(&format!("rule r{rule} {{\n  when {}\n  route {target}\n}}\n", condition(random, 3, true)));
    }
    text.push_str("default { route \"claude-sonnet-4-5\" }\n");
    text
}

/// A rule set with many rules, as large as rule sets get in the field.
pub fn large_policy(random: &mut Random, rules: usize) -> String {
    let mut text = String::new();
    for rule in 0..rules {
        let (a, b) = (word(random), word(random));
        text.push_str(&format!("rule r{rule} {{ when prompt contains any [{a}, {b}, \"k{}\"] and tokens > {} and not (files contains \"{}\") route \"gpt-5\" }}\n", random.below(rules), random.below(100_000), random.pick(MEMBERS)));
    }
    text.push_str("default { route \"gpt-5-mini\" }\n");
    text
}

fn condition(random: &mut Random, depth: usize, names: bool) -> String {
    if depth == 0 || random.chance(40) {
        let test = test(random, names);
        return if random.chance(20) { format!("not {test}") } else { test };
    }
    let word = random.pick(&["and", "or"]);
    let parts: Vec<String> =
        (0..random.below(3) + 2).map(|_| format!("({})", condition(random, depth - 1, names))).collect();
    let joined = parts.join(&format!(" {word} "));
    if random.chance(15) { format!("not ({joined})") } else { joined }
}

fn word(random: &mut Random) -> String {
    let mut text = random.pick(WORDS).to_owned();
    let mut lead = String::new();
    if random.chance(40) {
        lead.push_str("word ");
        if random.chance(30) {
            text.push('*');
        }
        if random.chance(15) {
            text.insert(0, '*');
        }
    }
    if random.chance(20) {
        lead.push_str("exact ");
    }
    format!("{lead}\"{text}\"")
}

fn list(random: &mut Random, mut one: impl FnMut(&mut Random) -> String) -> String {
    let parts: Vec<String> = (0..random.below(3) + 1).map(|_| one(random)).collect();
    format!("[{}]", parts.join(", "))
}

fn quoted(random: &mut Random, list: &[&str]) -> String {
    format!("\"{}\"", random.pick(list))
}

fn compare(random: &mut Random) -> &'static str {
    random.pick(&["<", "<=", ">", ">=", "==", "!="])
}

fn test(random: &mut Random, names: bool) -> String {
    let quantifier = random.pick(&["any", "all", "none"]);
    match random.below(if names { 26 } else { 21 }) {
        0..=3 => {
            let field = random.pick(&["prompt", "conversation", "system", "model", "header(\"x-team\")"]);
            format!("{field} contains {quantifier} {}", list(random, word))
        }
        4 => format!("prompt {}contains {}", random.pick(&["", "not "]), word(random)),
        5 => format!("prompt matches {}", random.pick(REGEXES)),
        6 => format!(
            "model {} \"{}\"",
            random.pick(&["is", "is not", "like", "not like"]),
            random.pick(&["gpt-5", "GPT-5", "claude-*", "*-mini", "gpt-?"])
        ),
        7 => format!("model {}in {}", random.pick(&["", "not "]), list(random, |random| quoted(random, MODELS))),
        8 => format!(
            "files contains {quantifier} {}",
            list(random, |random| if random.chance(20) { "web".to_owned() } else { quoted(random, MEMBERS) })
        ),
        9 => format!("files.all contains {}", quoted(random, MEMBERS)),
        10 => format!("tools {}contains {}", random.pick(&["", "not "]), quoted(random, TOOL_TESTS)),
        11 | 12 => format!(
            "{} {} {}",
            random.pick(&["tokens", "prompt.tokens", "history.tokens", "messages", "images", "max_tokens"]),
            compare(random),
            random.pick(NUMBERS)
        ),
        13 => format!(
            "tokens {}in {}",
            random.pick(&["", "not "]),
            random.pick(&["0..500", "500..=2000", "[1, 2, 500]", "2k..60k"])
        ),
        14 => format!("time in {}", random.pick(&["22:00..06:00", "09:00..=17:30", "00:00..24:00"])),
        15 => format!("weekday in {}", random.pick(&["[sat, sun]", "sat..=mon", "mon..wed"])),
        16 => format!("effort {} {}", random.pick(&["<", ">=", ">"]), random.pick(&["low", "high", "none"])),
        17 => random
            .pick(&[
                "stream",
                "thinking",
                "has images",
                "has files",
                "has prompt",
                "has session",
                "has max_tokens",
                "has temperature",
                "has tools",
            ])
            .to_owned(),
        18 => {
            format!("agent {} {}", random.pick(&["is", "is not"]), random.pick(&["main", "sub", "background", "other"]))
        }
        19 => random
            .pick(&[
                "session.model is model",
                "max_tokens > tokens",
                "bucket < 50%",
                "bucket(\"t\") >= 25.5%",
                "date >= 2025-01-15",
                "temperature == 0.5",
                "header(\"x-team\") is \"core\"",
                "has header(\"x-team\")",
                "user is \"Ann\"",
            ])
            .to_owned(),
        20 => format!(
            "{} {} {}",
            random.pick(&["cost(\"gpt-5\")", "cost(\"gpt-5-mini\")"]),
            random.pick(&["<", ">"]),
            random.pick(&["$0.01", "$1", "$0.000_5"])
        ),
        21 => random.pick(&["known", "not known"]).to_owned(),
        22 => format!(
            "size {} {}",
            random.pick(&["is", "is not", ">=", "<", ">"]),
            random.pick(&["tiny", "mid", "big_one", "rest"])
        ),
        23 => format!("size.confidence {} {}", compare(random), random.pick(&["0%", "55.5%", "80%", "100%"])),
        24 => random
            .pick(&[
                "daily.used >= 90%",
                "daily.remaining < $5",
                "each_user.spent > $0",
                "has each_user.spent",
                "task is code",
                "complexity >= medium",
                "not task is general",
            ])
            .to_owned(),
        _ => random
            .pick(&[
                "healthy(\"gpt-5\")",
                "healthy(some)",
                "latency(\"gpt-5\") > 5s",
                "errors(\"gpt-5\") < 20%",
                "switch_cost(\"gpt-5\") > $0",
                "has latency(\"gpt-5\")",
                "tokens > big",
                "cost(some) < daily.remaining",
            ])
            .to_owned(),
    }
}

/// A request with fixed values. Counts answer with bounds as wide as the question lets them.
#[derive(Debug, Clone, Default)]
pub struct Fixed {
    pub ordinals: HashMap<Feature, i64>,
    pub texts: HashMap<(Feature, Option<String>), String>,
    pub sets: HashMap<Feature, Vec<String>>,
}

impl Features for Fixed {
    fn ordinal(&self, feature: Feature, asked: &[i64]) -> Option<Bounds> {
        let value = *self.ordinals.get(&feature)?;
        let counted = matches!(feature, Feature::Tokens | Feature::PromptTokens | Feature::HistoryTokens);
        if !counted || asked.is_empty() {
            return Some(Bounds::exactly(value));
        }
        let low = asked.iter().filter(|t| **t <= value).max().copied().unwrap_or(0);
        let high = asked.iter().filter(|t| **t > value).min().map_or(i64::MAX - 1, |t| t - 1);
        Some(Bounds { low, high })
    }

    fn text(&self, feature: Feature, name: Option<&str>) -> Option<Cow<'_, str>> {
        self.texts.get(&(feature, name.map(str::to_owned))).map(|text| Cow::Borrowed(text.as_str()))
    }

    fn set(&self, feature: Feature) -> Cow<'_, [String]> {
        Cow::Borrowed(self.sets.get(&feature).map_or(&[], Vec::as_slice))
    }

    fn bucket_id(&self) -> Cow<'_, str> {
        Cow::Borrowed("id")
    }
}

fn prose(random: &mut Random) -> String {
    let mut text = String::new();
    for _ in 0..random.below(8) {
        text.push_str(random.pick(WORDS));
        text.push_str(random.pick(&[" ", "", "\n", ", ", "_", "'"]));
    }
    if random.chance(20) {
        text.push_str("fixes #12");
    }
    text
}

/// A request.
pub fn request(random: &mut Random) -> Fixed {
    let mut fixed = Fixed::default();
    let numbers = [
        Feature::Tokens,
        Feature::PromptTokens,
        Feature::SystemTokens,
        Feature::ToolsTokens,
        Feature::HistoryTokens,
        Feature::Messages,
        Feature::Turns,
        Feature::Images,
        Feature::Documents,
    ];
    for feature in numbers {
        let value = [0, 1, 2, 5, 499, 500, 501, 2_000, 2_001, 59_999, 60_000, 1_500_000][random.below(12)];
        fixed.ordinals.insert(feature, value * NUMBER);
    }
    for feature in [Feature::Stream, Feature::Thinking, Feature::WebSearch, Feature::Compacted, Feature::Api] {
        fixed.ordinals.insert(feature, i64::from(random.chance(50)));
    }
    fixed.ordinals.insert(Feature::Agent, i64::try_from(random.below(4)).unwrap_or(0));
    if random.chance(60) {
        fixed.ordinals.insert(Feature::Effort, i64::try_from(random.below(7)).unwrap_or(0));
    }
    if random.chance(60) {
        fixed.ordinals.insert(Feature::MaxTokens, [1, 500, 501, 2_000, 60_000][random.below(5)] * NUMBER);
    }
    if random.chance(40) {
        fixed.ordinals.insert(Feature::Temperature, NUMBER / 2);
    }
    for feature in [Feature::Prompt, Feature::System, Feature::Conversation] {
        let text = prose(random);
        fixed.texts.insert((feature, None), text);
    }
    fixed.texts.insert((Feature::Model, None), random.pick(MODELS).to_owned());
    for feature in [Feature::Session, Feature::User, Feature::Client] {
        if random.chance(50) {
            fixed.texts.insert((feature, None), random.pick(&["Ann", "bob", "s-1"]).to_owned());
        }
    }
    if random.chance(50) {
        fixed.texts.insert(
            (Feature::Header, Some("x-team".to_owned())),
            random.pick(&["core", "CORE", "fix go", ""]).to_owned(),
        );
    }
    for (feature, all) in [(Feature::Files, PATHS), (Feature::FilesAll, PATHS), (Feature::Tools, TOOLS)] {
        let n = random.below(4);
        let members = (0..n).map(|_| random.pick(all).to_owned()).collect();
        fixed.sets.insert(feature, members);
    }
    fixed
}

/// A moment, for some budgets, models and pools.
pub fn facts(random: &mut Random, budgets: usize, models: usize, pools: usize) -> Facts {
    let mut facts = Facts::of_tests(budgets, pools);
    facts.minute = i64::try_from(random.below(1_440)).unwrap_or(0);
    facts.weekday = i64::try_from(random.below(7)).unwrap_or(0);
    facts.day += i64::try_from(random.below(3)).unwrap_or(0) - 1;
    facts.bucket = random.chance(50).then(|| i64::try_from(random.below(10_000)).unwrap_or(0) * 100);
    facts.session_model =
        random.chance(60).then(|| random.pick(&["openai/gpt-5", "anthropic/claude-sonnet-4-5"]).to_owned());
    facts.spent = (0..budgets)
        .map(|_| random.chance(80).then(|| i64::try_from(random.below(12)).unwrap_or(0) * NUMBER))
        .collect();
    facts.models = (0..u32::try_from(models).unwrap_or(0))
        .map(|model| {
            (
                model,
                ModelFacts {
                    healthy: random.chance(80),
                    latency_us: random.chance(50).then_some(6_000_000),
                    errors: random.chance(50).then(|| i64::try_from(random.below(100)).unwrap_or(0) * 10_000),
                    cached_tokens: random.below(3_000) as u64,
                    ..ModelFacts::default()
                },
            )
        })
        .collect();
    facts
}

/// Makes a generated request one that there could be: parts within the whole, messages for what stands in messages.
pub fn realistic(fixed: &mut Fixed, facts: &mut Facts) {
    let get = |fixed: &Fixed, feature| fixed.ordinals.get(&feature).copied().unwrap_or(0);
    for feature in [Feature::Prompt, Feature::System, Feature::Conversation] {
        if let Some(text) = fixed.texts.get_mut(&(feature, None)) {
            *text = text.trim().to_owned();
        }
    }
    let text = |fixed: &Fixed, feature| fixed.texts.get(&(feature, None)).cloned().unwrap_or_default();
    let tools = fixed.sets.get(&Feature::Tools).is_some_and(|tools| !tools.is_empty());
    let (prompt, system) = (!text(fixed, Feature::Prompt).is_empty(), !text(fixed, Feature::System).is_empty());
    for (count, there) in
        [(Feature::PromptTokens, prompt), (Feature::SystemTokens, system), (Feature::ToolsTokens, tools)]
    {
        let value = if there { get(fixed, count).max(NUMBER) } else { 0 };
        fixed.ordinals.insert(count, value);
    }
    let parts = [Feature::SystemTokens, Feature::ToolsTokens, Feature::HistoryTokens].map(|part| get(fixed, part));
    let tokens = get(fixed, Feature::Tokens).max(parts.iter().sum());
    fixed.ordinals.insert(Feature::Tokens, tokens);
    let newest = fixed.sets.get(&Feature::Files).cloned().unwrap_or_default();
    fixed.sets.entry(Feature::FilesAll).or_default().extend(newest);
    let files = fixed.sets.get(&Feature::FilesAll).is_some_and(|files| !files.is_empty());
    if prompt && text(fixed, Feature::Conversation).is_empty() {
        fixed.texts.insert((Feature::Conversation, None), text(fixed, Feature::Prompt));
    }
    let conversation = !text(fixed, Feature::Conversation).is_empty();
    let in_messages = get(fixed, Feature::Images) > 0 || get(fixed, Feature::Documents) > 0;
    let turns = if prompt { get(fixed, Feature::Turns).max(NUMBER) } else { get(fixed, Feature::Turns) };
    let least = if in_messages || conversation || files { NUMBER } else { 0 };
    let messages = get(fixed, Feature::Messages).max(turns).max(least);
    fixed.ordinals.insert(Feature::Turns, turns);
    fixed.ordinals.insert(Feature::Messages, messages);
    if get(fixed, Feature::WebSearch) > 0 && !tools {
        fixed.ordinals.insert(Feature::WebSearch, 0);
    }
    facts.weekday = claude_router::lang::schema::quantity::weekday_of(facts.day);
}
