//! The same generated rules in engines that people would embed instead of this one: answers compared, microseconds of
//! one thread's CPU time a request. docs/benchmarks.md says how to read it.
//!
//! A rule holds when the prompt holds one of its three keywords, case ignored, the tokens are above its threshold and the
//! file is of one of its kinds; the first that holds decides. The others get the prompt in small letters, for nothing.

mod engine;

use std::time::{Duration, Instant};

use engine::{Engine, Make};

/// A rule of the family.
pub struct Rule {
    /// In small letters.
    pub keywords: [String; 3],
    pub tokens_above: i64,
    pub extensions: [String; 2],
}

/// What is asked.
pub struct Request {
    /// As a person writes it.
    pub prompt: String,
    /// The same in small letters.
    pub folded: String,
    pub tokens: i64,
    /// `.e3`
    pub extension: String,
}

/// The most that one engine may take with one number of rules, beyond which it is not asked for more.
const PATIENCE: Duration = Duration::from_secs(20);
/// Requests of each kind.
const REQUESTS: usize = 12;

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let numbers = [10, 100, 1_000, 10_000];
    println!("| engine | {} |", numbers.map(|n| format!("{n} rules")).join(" | "));
    println!("|---|{}", "---|".repeat(numbers.len()));
    for (name, make) in engine::ALL {
        if !wanted.is_empty() && !wanted.iter().any(|wanted| wanted == name) {
            continue;
        }
        let mut cells = Vec::new();
        let mut last = Duration::ZERO;
        for n in numbers {
            // Ten times the rules take ten times the time, or more.
            if last * 10 > PATIENCE {
                cells.push("–".to_owned());
                continue;
            }
            let started = Instant::now();
            cells.push(measure(*make, n));
            last = started.elapsed();
        }
        println!("| {name} | {} |", cells.join(" | "));
    }
}

fn measure(make: Make, n: usize) -> String {
    let rules = rules(n);
    let mut random = Random(n as u64);
    let somewhere: Vec<(Request, Option<usize>)> = (0..REQUESTS)
        .map(|_| {
            let request = request(&mut random, Some(&rules[random_below(n)]));
            let first = first(&rules, &request);
            assert!(first.is_some());
            (request, first)
        })
        .collect();
    let nowhere: Vec<(Request, Option<usize>)> = (0..REQUESTS)
        .map(|_| {
            let request = request(&mut random, None);
            let first = first(&rules, &request);
            assert!(first.is_none());
            (request, first)
        })
        .collect();
    let mut engine = match make(&rules) {
        Ok(engine) => engine,
        Err(why) => return why,
    };
    let somewhere = time(&mut *engine, &somewhere);
    let nowhere = time(&mut *engine, &nowhere);
    format!("{} ({})", shown(somewhere), shown(nowhere))
}

thread_local! {
    static DRAWN: std::cell::Cell<u64> = const { std::cell::Cell::new(1) };
}

/// A number of its own stream, so that which rules are hit does not depend on the words that are drawn.
fn random_below(n: usize) -> usize {
    DRAWN.with(|drawn| {
        let mut random = Random(drawn.get());
        let number = random.below(n);
        drawn.set(random.0);
        number
    })
}

fn shown(microseconds: f64) -> String {
    if microseconds < 100.0 { format!("{microseconds:.1}") } else { format!("{microseconds:.0}") }
}

/// The mean of a request, of the best of some rounds.
fn time(engine: &mut dyn Engine, requests: &[(Request, Option<usize>)]) -> f64 {
    for (request, first) in requests {
        assert_eq!(engine.first(request), *first);
    }
    let (started, mut best, mut rounds) = (Instant::now(), f64::MAX, 0);
    while rounds < 3 || (started.elapsed() < Duration::from_millis(400) && rounds < 2_000) {
        let before = cpu_time();
        // A round is long enough for the clock.
        let mut times = 0;
        while times == 0 || (cpu_time() - before < Duration::from_millis(2)) {
            for (request, _) in requests {
                std::hint::black_box(engine.first(std::hint::black_box(request)));
            }
            times += 1;
        }
        let spent = (cpu_time() - before).as_secs_f64() * 1e6;
        best = best.min(spent / (times * requests.len()) as f64);
        rounds += 1;
        if started.elapsed() > PATIENCE / 4 {
            break;
        }
    }
    best
}

/// What this thread has computed so far; Linux.
fn cpu_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a value of this frame, which the call fills.
    let ended = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    assert_eq!(ended, 0);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// The rule that decides, read as it is defined.
fn first(rules: &[Rule], request: &Request) -> Option<usize> {
    rules.iter().position(|rule| {
        request.tokens > rule.tokens_above
            && rule.extensions.contains(&request.extension)
            && rule.keywords.iter().any(|keyword| request.folded.contains(keyword))
    })
}

// --- the family --------------------------------------------------------------------------------------------------------

/// Random numbers from a seed (SplitMix64).
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % n as u64) as usize
    }
}

/// The syllables of keywords.
const SYLLABLES: [&str; 16] =
    ["ka", "to", "mi", "re", "su", "no", "va", "li", "po", "he", "da", "ze", "qu", "fy", "bo", "gi"];
/// Syllables that no keyword has: every second one of a prompt's words, so that they hold no keyword, but begin like some.
const OTHERS: [&str; 8] = ["pen", "hew", "dor", "zel", "quk", "fin", "bor", "gan"];

/// A keyword, another one for each number.
fn word(n: usize) -> String {
    let (mut text, mut rest) = (String::new(), n * 7 + 3);
    for _ in 0..4 {
        text.push_str(SYLLABLES[rest % SYLLABLES.len()]);
        rest /= SYLLABLES.len();
    }
    text
}

fn rules(n: usize) -> Vec<Rule> {
    (0..n)
        .map(|rule| Rule {
            keywords: [0, 1, 2].map(|at| word(rule * 3 + at)),
            tokens_above: (rule % 997 * 10) as i64,
            extensions: [format!(".e{}", rule % 13), format!(".f{}", rule % 7)],
        })
        .collect()
}

/// A prompt of 2 KB; in its middle a keyword of a rule, where it is to be hit.
fn request(random: &mut Random, hit: Option<&Rule>) -> Request {
    let mut prompt = String::new();
    let mut put = false;
    while prompt.len() < 2_000 {
        let mut next = String::new();
        for _ in 0..2 {
            next.push_str(SYLLABLES[random.below(SYLLABLES.len())]);
            next.push_str(OTHERS[random.below(OTHERS.len())]);
        }
        if random.below(6) == 0 {
            next[..1].make_ascii_uppercase();
        }
        prompt.push_str(&next);
        prompt.push(' ');
        if let (Some(rule), false, true) = (hit, put, prompt.len() > 1_000) {
            prompt.push_str(&rule.keywords[random.below(3)].to_uppercase());
            prompt.push(' ');
            put = true;
        }
    }
    let extension = hit.map_or_else(|| ".e1".to_owned(), |rule| rule.extensions[0].clone());
    let folded = prompt.to_lowercase();
    Request { prompt, folded, tokens: 20_000, extension }
}
