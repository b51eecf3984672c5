//! Pairs of the grammar to the tree: one function per grammar rule, the rule quoted above it.
//!
//! The grammar fixes what children a pair has; `Children` is the only place that relies on it.

use pest::iterators::{Pair, Pairs};

use crate::lang::diagnostic::{Diagnostic, codes};
use crate::lang::source::{SourceId, Span};
use crate::lang::syntax::Rule as G;
use crate::lang::syntax::tree::{
    Action, ActionKind, Bound, Budget, Comparison, Condition, Expect, FieldRef, File, Given, Item, ItemKind, Label,
    LabelLine, Literal, ModelName, Name, Operator, Place, Pool, Quantifier, Rule, Scope, Set, Target, Test, TestItem,
    TestLine, Value, ValueKind,
};

/// Builds trees of one source text.
pub(super) struct Builder {
    source: SourceId,
    /// Added to every place: where the parsed text begins in its source.
    base: usize,
    /// What the grammar lets pass and the language does not.
    pub(super) problems: Vec<Diagnostic>,
}

/// The children of a pair, taken one by one.
struct Children<'i>(std::iter::Peekable<Pairs<'i, G>>);

impl<'i> Children<'i> {
    fn of(pair: Pair<'i, G>) -> Self {
        Self(pair.into_inner().peekable())
    }

    fn next(&mut self) -> Pair<'i, G> {
        self.0.next().expect("the grammar gives this rule one more child")
    }

    fn take(&mut self, rule: G) -> Option<Pair<'i, G>> {
        self.0.next_if(|child| child.as_rule() == rule)
    }

    /// Steps over children that only mark a place: keywords and brackets.
    fn skip(&mut self, rules: &[G]) -> &mut Self {
        while self.0.next_if(|child| rules.contains(&child.as_rule())).is_some() {}
        self
    }
}

impl Builder {
    pub(super) fn new(source: SourceId, base: usize) -> Self {
        Self { source, base, problems: Vec::new() }
    }

    fn place(&self, pair: &Pair<'_, G>) -> Place {
        let start = pair.as_span().start();
        Place(Span::new(self.source, self.base + start..self.base + end_of(pair)))
    }

    fn literal(&self, pair: &Pair<'_, G>) -> Literal {
        Literal { raw: pair.as_str().to_owned(), place: self.place(pair) }
    }

    fn name(&self, pair: &Pair<'_, G>) -> Name {
        Name { text: pair.as_str().to_owned(), place: self.place(pair) }
    }

    // file = { SOI ~ language? ~ item* ~ EOI }     item_only = { SOI ~ (language | item) ~ EOI }
    pub(super) fn file(&mut self, pairs: Pairs<'_, G>) -> File {
        let mut file = File::default();
        for pair in pairs.flat_map(Pair::into_inner) {
            match pair.as_rule() {
                G::language => {
                    let mut parts = Children::of(pair);
                    file.language = Some(self.literal(&parts.next()));
                }
                G::EOI => {}
                _ => file.items.push(self.item(pair)),
            }
        }
        file
    }

    // value_only = { SOI ~ value ~ EOI }
    pub(super) fn only_value(&mut self, mut pairs: Pairs<'_, G>) -> Option<Value> {
        let pair = pairs.next()?.into_inner().find(|child| child.as_rule() == G::value)?;
        Some(self.value(pair))
    }

    // field_only = { SOI ~ field ~ EOI }
    pub(super) fn only_field(&mut self, mut pairs: Pairs<'_, G>) -> Option<FieldRef> {
        let pair = pairs.next()?.into_inner().find(|child| child.as_rule() == G::field)?;
        Some(self.field(pair))
    }

    fn item(&mut self, pair: Pair<'_, G>) -> Item {
        let place = self.place(&pair);
        let kind = match pair.as_rule() {
            // use_item = { kw_use ~ text }
            G::use_item => ItemKind::Use(self.literal(&Children::of(pair).next())),
            // let_item = { kw_let ~ name ~ equals ~ (condition | value) }
            G::let_item => {
                let mut parts = Children::of(pair);
                let name = self.name(&parts.next());
                let bound = parts.skip(&[G::equals]).next();
                let bound = match bound.as_rule() {
                    G::condition => Bound::Condition(self.condition(bound)),
                    _ => Bound::Value(self.value(bound)),
                };
                ItemKind::Let(name, bound)
            }
            G::budget_item => ItemKind::Budget(self.budget(pair)),
            G::label_item => ItemKind::Label(self.label(pair)),
            G::pool_item => ItemKind::Pool(self.pool(pair)),
            G::rule_item => ItemKind::Rule(self.rule(pair)),
            G::adjust_item => ItemKind::Adjust(self.rule(pair)),
            // default_item = { kw_default ~ open ~ action* ~ close }
            G::default_item => {
                let mut parts = Children::of(pair);
                parts.skip(&[G::default_token, G::open]);
                ItemKind::Default(self.actions(parts))
            }
            _ => ItemKind::Test(self.test_item(pair)),
        };
        Item { place, kind, broken: false }
    }

    // budget_item = { kw_budget ~ name ~ equals ~ quantity ~ kw_per ~ period ~ budget_for? ~ kw_hard? }
    fn budget(&mut self, pair: Pair<'_, G>) -> Budget {
        let mut parts = Children::of(pair);
        let name = self.name(&parts.next());
        let amount = self.literal(&parts.skip(&[G::equals]).next());
        let period = self.name(&parts.skip(&[G::kw_per]).next());
        // budget_for = { kw_for ~ (kw_each ~ scope | scope ~ model_name) }
        let scope = parts.take(G::budget_for).map(|pair| {
            let mut parts = Children::of(pair);
            let each = parts.take(G::kw_each).is_some();
            let kind = self.name(&parts.next());
            Scope { kind, of: (!each).then(|| self.model_name(parts.next())) }
        });
        Budget { name, amount, period, scope, hard: parts.take(G::hard_token).is_some() }
    }

    // label_item = { kw_label ~ name ~ kw_ordered? ~ open ~ label_line* ~ close }
    fn label(&mut self, pair: Pair<'_, G>) -> Label {
        let mut parts = Children::of(pair);
        let name = self.name(&parts.next());
        let ordered = parts.take(G::kw_ordered).is_some();
        parts.skip(&[G::open]);
        let mut lines = Vec::new();
        while let Some(line) = parts.take(G::label_line) {
            lines.push(self.label_line(line));
        }
        Label { name, ordered, lines }
    }

    // label_line = { class ~ (kw_otherwise | kw_when ~ condition ~ (kw_confidence ~ quantity)?) }
    fn label_line(&mut self, pair: Pair<'_, G>) -> LabelLine {
        let place = self.place(&pair);
        let mut parts = Children::of(pair);
        let class = self.name(&parts.next());
        let when = parts.skip(&[G::otherwise_token, G::kw_when]).take(G::condition).map(|pair| self.condition(pair));
        let confidence = parts.take(G::quantity_token).map(|pair| self.literal(&pair));
        LabelLine { class, when, confidence, place }
    }

    // pool_item = { kw_pool ~ name ~ strategy ~ (kw_sticky ~ scope)? ~ (kw_hedge ~ quantity)? ~ open ~ pool_member* ~ close }
    fn pool(&mut self, pair: Pair<'_, G>) -> Pool {
        let mut parts = Children::of(pair);
        let name = self.name(&parts.next());
        let strategy = self.name(&parts.next());
        let sticky = parts.take(G::scope_token).map(|pair| self.name(&pair));
        let hedge = parts.take(G::quantity_token).map(|pair| self.literal(&pair));
        parts.skip(&[G::open]);
        let mut members = Vec::new();
        while let Some(member) = parts.take(G::pool_member) {
            // pool_member = { model_name ~ quantity? }
            let mut parts = Children::of(member);
            let model = self.model_name(parts.next());
            members.push((model, parts.take(G::quantity_token).map(|pair| self.literal(&pair))));
        }
        Pool { name, strategy, sticky, hedge, members }
    }

    // rule_item = { kw_rule ~ name ~ open ~ kw_when ~ condition ~ action* ~ close }      adjust_item likewise
    fn rule(&mut self, pair: Pair<'_, G>) -> Rule {
        let mut parts = Children::of(pair);
        let name = self.name(&parts.skip(&[G::kw_rule]).next());
        let when = self.condition(parts.skip(&[G::open, G::kw_when]).next());
        Rule { name, when, actions: self.actions(parts) }
    }

    fn actions(&mut self, parts: Children<'_>) -> Vec<Action> {
        parts.0.filter(|pair| pair.as_rule() != G::close_token).map(|pair| self.action(pair)).collect()
    }

    fn action(&mut self, pair: Pair<'_, G>) -> Action {
        let place = self.place(&pair);
        let rule = pair.as_rule();
        let set = if rule == G::set { Some(self.set(pair.clone())) } else { None };
        let mut parts = Children::of(pair);
        let kind = match rule {
            // route = { kw_route ~ target ~ (kw_else ~ target)* }
            G::route => {
                let mut chain = Vec::new();
                while let Some(target) = parts.skip(&[G::kw_else]).take(G::target) {
                    chain.push(self.target(target));
                }
                ActionKind::Route(chain)
            }
            // reject = { kw_reject ~ quantity ~ text ~ (kw_retry_after ~ quantity)? }
            G::reject => ActionKind::Reject {
                status: self.literal(&parts.next()),
                message: self.literal(&parts.next()),
                retry_after: parts.take(G::quantity_token).map(|pair| self.literal(&pair)),
            },
            G::set => ActionKind::Set(set.expect("built above")),
            // timeout = { kw_timeout ~ kw_total? ~ quantity }
            G::timeout => {
                ActionKind::Timeout { total: parts.take(G::kw_total).is_some(), duration: self.literal(&parts.next()) }
            }
            G::retry => ActionKind::Retry(self.literal(&parts.next())),
            // cache = { kw_cache ~ (kw_off | quantity) }
            G::cache => {
                ActionKind::Cache(parts.skip(&[G::off_token]).take(G::quantity_token).map(|pair| self.literal(&pair)))
            }
            G::tag => ActionKind::Tag(self.literal(&parts.next())),
            G::mirror => ActionKind::Mirror(self.model_name(parts.next())),
            _ => ActionKind::Transform(self.literal(&parts.next())),
        };
        Action { place, kind }
    }

    // set = { kw_set ~ setting ~ value+ }
    fn set(&mut self, pair: Pair<'_, G>) -> Set {
        let mut parts = Children::of(pair);
        let setting = self.name(&parts.next());
        Set { setting, values: parts.0.map(|pair| self.value(pair)).collect() }
    }

    // target = { kw_model | kw_same | model_name }
    fn target(&mut self, pair: Pair<'_, G>) -> Target {
        let place = self.place(&pair);
        let inner = Children::of(pair).next();
        match inner.as_rule() {
            G::model_token => Target::Asked(place),
            G::same_token => Target::Same(place),
            _ => Target::Named(self.model_name(inner)),
        }
    }

    // model_name = { text | name }
    fn model_name(&mut self, pair: Pair<'_, G>) -> ModelName {
        let inner = if pair.as_rule() == G::model_name { Children::of(pair).next() } else { pair };
        match inner.as_rule() {
            G::text_token => ModelName::Text(self.literal(&inner)),
            _ => ModelName::Name(self.name(&inner)),
        }
    }

    // test_item = { kw_test ~ text ~ open ~ (given | expect)* ~ close }
    fn test_item(&mut self, pair: Pair<'_, G>) -> TestItem {
        let mut parts = Children::of(pair);
        let name = self.literal(&parts.next());
        let mut lines = Vec::new();
        for pair in parts.skip(&[G::open]).0.by_ref() {
            let place = self.place(&pair);
            match pair.as_rule() {
                G::given => lines.push(TestLine::Given(self.given(pair), place)),
                G::expect => lines.push(TestLine::Expect(self.expect(pair), place)),
                _ => {}
            }
        }
        TestItem { name, lines }
    }

    // given = { kw_given ~ given_part ~ (comma ~ given_part)* }
    fn given(&mut self, pair: Pair<'_, G>) -> Vec<Given> {
        let mut found = Vec::new();
        for part in pair.into_inner().filter(|child| child.as_rule() == G::given_part) {
            // given_part = { kw_no ~ field | field ~ value }
            let mut parts = Children::of(part);
            let absent = parts.take(G::kw_no).is_some();
            let field = self.field(parts.next());
            found.push(Given { field, value: (!absent).then(|| self.value(parts.next())) });
        }
        found
    }

    // expect = { kw_expect ~ (expect_rule | route_expected | set | reject_expected | kw_unservable | condition) }
    fn expect(&mut self, pair: Pair<'_, G>) -> Expect {
        let inner = Children::of(pair).next();
        match inner.as_rule() {
            // expect_rule = { kw_not? ~ kw_rule ~ (kw_default | rule_name) }
            G::expect_rule => {
                let mut parts = Children::of(inner);
                let negated = parts.take(G::kw_not).is_some();
                let rule = parts.skip(&[G::kw_rule, G::default_token]).take(G::rule_name_token);
                Expect::Rule { negated, rule: rule.map(|pair| self.name(&pair)) }
            }
            G::route_expected => Expect::Route(self.target(Children::of(inner).next())),
            G::set => Expect::Set(self.set(inner)),
            G::reject_expected => Expect::Reject(self.literal(&Children::of(inner).next())),
            G::unservable_token => Expect::Unservable,
            _ => Expect::Condition(self.condition(inner)),
        }
    }

    // condition = { negation ~ (connective ~ negation)* }
    fn condition(&mut self, pair: Pair<'_, G>) -> Condition {
        let place = self.place(&pair);
        let mut parts = Children::of(pair);
        let first = self.negation(parts.next());
        let (mut all, mut word, mut mixed) = (vec![first], None, None);
        while let Some(connective) = parts.take(G::connective_token) {
            let is_and = connective.as_str() == "and";
            if *word.get_or_insert(is_and) != is_and {
                mixed.get_or_insert((self.place(&connective), all.len()));
            }
            all.push(self.negation(parts.next()));
        }
        if let Some((at, split)) = mixed {
            self.mixed(at, word == Some(true), split);
        }
        match (word, all.len()) {
            (None, _) => all.pop().expect("a condition has one part at least"),
            (Some(true), _) => Condition::And(all, place),
            (Some(false), _) => Condition::Or(all, place),
        }
    }

    /// `a and b or c`: no reading is chosen.
    fn mixed(&mut self, at: Place, first_is_and: bool, split: usize) {
        let (first, second) = if first_is_and { ("and", "or") } else { ("or", "and") };
        let names: Vec<String> =
            (0..split).map(|n| char::from(b'a' + u8::try_from(n % 24).unwrap_or(0)).to_string()).collect();
        let next = char::from(b'a' + u8::try_from(split % 24).unwrap_or(0));
        let all = names.join(&format!(" {first} "));
        let (last, front) = names.split_last().expect("a connective stands behind a part");
        let front: String = front.iter().map(|name| format!("{name} {first} ")).collect();
        self.problems.push(
            Diagnostic::new(&codes::MIXED_AND_OR, at.0, "`and` and `or` stand side by side without parentheses")
                .help(format!("write `({all}) {second} {next}` or `{front}({last} {second} {next})`")),
        );
    }

    // negation = { kw_not* ~ (open_group ~ condition ~ close_group | has | comparison) }
    fn negation(&mut self, pair: Pair<'_, G>) -> Condition {
        let place = self.place(&pair);
        let mut parts = Children::of(pair);
        let mut negated = 0usize;
        while parts.take(G::kw_not).is_some() {
            negated += 1;
        }
        let inner = parts.skip(&[G::open_group]).next();
        let mut condition = match inner.as_rule() {
            G::condition => self.condition(inner),
            // has = { kw_has ~ field }
            G::has => {
                let place = self.place(&inner);
                let field = self.field(Children::of(inner).next());
                Condition::Test(Test { field, operator: Operator::Has, negated: false, place })
            }
            _ => Condition::Test(self.comparison(inner)),
        };
        for _ in 0..negated % 2 {
            condition = Condition::Not(Box::new(condition), place);
        }
        condition
    }

    // comparison = { field ~ operator? }
    fn comparison(&mut self, pair: Pair<'_, G>) -> Test {
        let place = self.place(&pair);
        let mut parts = Children::of(pair);
        let field = self.field(parts.next());
        let Some(operator) = parts.0.next() else {
            return Test { field, operator: Operator::Bare, negated: false, place };
        };
        let rule = operator.as_rule();
        let mut inner = Children::of(operator);
        let mut negated = inner.take(G::kw_not).is_some();
        inner.skip(&[G::kw_in]);
        negated |= inner.take(G::kw_not).is_some();
        let operator = match rule {
            G::compare => {
                let sign = comparison_sign(inner.next().as_str());
                Operator::Compare(sign, self.value(inner.next()))
            }
            G::within => Operator::In(self.value(inner.next())),
            G::is => Operator::Is(self.value(inner.next())),
            G::contains => {
                let quantifier = match inner.take(G::quantifier_token).map(|pair| pair.as_str()) {
                    Some("any") => Quantifier::Any,
                    Some("all") => Quantifier::All,
                    Some(_) => Quantifier::None,
                    None => Quantifier::One,
                };
                Operator::Contains(quantifier, self.value(inner.next()))
            }
            G::like => Operator::Like(self.value(inner.next())),
            _ => Operator::Matches(self.value(inner.next())),
        };
        Test { field, operator, negated, place }
    }

    // field = { field_name ~ (open_group ~ (text | name) ~ close_group)? }
    fn field(&mut self, pair: Pair<'_, G>) -> FieldRef {
        let place = self.place(&pair);
        let mut parts = Children::of(pair);
        let name = self.name(&parts.next());
        let argument = parts.take(G::open_group).map(|_| self.model_name(parts.next()));
        FieldRef { name, argument, place }
    }

    // value = { scalar ~ (range_sign ~ scalar)? | list }
    fn value(&mut self, pair: Pair<'_, G>) -> Value {
        let place = self.place(&pair);
        let mut parts = Children::of(pair);
        let first = parts.next();
        if first.as_rule() == G::list {
            let members = first.into_inner().filter(|child| child.as_rule() == G::value);
            return Value { place, kind: ValueKind::List(members.map(|pair| self.value(pair)).collect()) };
        }
        let low = self.scalar(first);
        let Some(sign) = parts.take(G::range_sign_token) else { return low };
        let high = Box::new(self.scalar(parts.next()));
        Value { place, kind: ValueKind::Range { low: Box::new(low), high, closed: sign.as_str() == "..=" } }
    }

    // scalar = _{ boolean | none_member | pattern | text | regex | quantity | field }
    fn scalar(&mut self, pair: Pair<'_, G>) -> Value {
        let place = self.place(&pair);
        let kind = match pair.as_rule() {
            G::boolean_token => ValueKind::Bool(pair.as_str() == "true"),
            G::text_token => ValueKind::Text(self.literal(&pair)),
            G::regex_token => ValueKind::Regex(self.literal(&pair)),
            G::quantity_token => ValueKind::Quantity(self.literal(&pair)),
            // pattern = { pattern_word+ ~ text }
            G::pattern => {
                let (mut word, mut exact) = (false, false);
                let mut parts = Children::of(pair);
                while let Some(kind) = parts.take(G::pattern_word_token) {
                    let seen = if kind.as_str() == "word" { &mut word } else { &mut exact };
                    if std::mem::replace(seen, true) {
                        let message = format!("`{}` stands twice", kind.as_str());
                        self.problems.push(Diagnostic::new(&codes::SYNTAX, self.place(&kind).0, message));
                    }
                }
                ValueKind::Pattern { word, exact, text: self.literal(&parts.next()) }
            }
            // none_member = @{ "none" ~ !word_char }
            G::none_token => ValueKind::Name(FieldRef { name: self.name(&pair), argument: None, place }),
            _ => ValueKind::Name(self.field(pair)),
        };
        Value { place, kind }
    }
}

/// Where a pair's last token ends: a pair of several tokens reaches over the gap behind the last one.
fn end_of(pair: &Pair<'_, G>) -> usize {
    pair.clone().into_inner().next_back().map_or_else(|| pair.as_span().end(), |last| end_of(&last))
}

fn comparison_sign(sign: &str) -> Comparison {
    match sign {
        "<" => Comparison::Less,
        "<=" => Comparison::LessOrEqual,
        ">" => Comparison::Greater,
        ">=" => Comparison::GreaterOrEqual,
        "==" => Comparison::Equal,
        _ => Comparison::NotEqual,
    }
}
