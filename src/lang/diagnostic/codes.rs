//! The table of codes of the language. The codes of lints stand with their lints.

use crate::lang::diagnostic::{Code, Severity};

macro_rules! codes {
    ($( $name:ident = $id:literal $words:literal, $doc:literal, bad $bad:literal, good $good:literal; )*) => {
        $(
            #[doc = $doc]
            pub static $name: Code = Code {
                id: $id, name: $words, severity: Severity::Error, doc: $doc, bad: $bad, good: $good,
            };
        )*
        /// Every code of the language, in order.
        pub static CODES: &[&Code] = &[$(&$name),*];
    };
}

codes! {
    SYNTAX = "E101" "syntax",
        "Something else was expected here.",
        bad "rule a { when tokens > route \"gpt-5\" }\ndefault { route \"gpt-5\" }",
        good "rule a { when tokens > 5 route \"gpt-5-mini\" }\ndefault { route \"gpt-5\" }";
    MIXED_AND_OR = "E102" "mixed-and-or",
        "`and` and `or` side by side can be read in two ways, so parentheses must say which is meant.",
        bad "rule a { when stream and has tools or tokens > 5 route \"gpt-5-mini\" }\ndefault { route \"gpt-5\" }",
        good "rule a { when (stream and has tools) or tokens > 5 route \"gpt-5-mini\" }\ndefault { route \"gpt-5\" }";
    BAD_QUANTITY = "E103" "bad-quantity",
        "A number is not written as the language writes numbers, or its unit is none that it knows.",
        bad "rule a { when tokens > 60K route \"gpt-5-mini\" }\ndefault { route \"gpt-5\" }",
        good "rule a { when tokens > 60k route \"gpt-5-mini\" }\ndefault { route \"gpt-5\" }";
    BAD_ESCAPE = "E104" "bad-escape",
        "A text holds a backslash that means nothing. Known are \\\" \\\\ \\n \\t \\u{...} \\* \\?.",
        bad "rule a { when prompt contains \"\\q\" route \"gpt-5-mini\" }\ndefault { route \"gpt-5\" }",
        good "rule a { when prompt contains \"\\\\q\" route \"gpt-5-mini\" }\ndefault { route \"gpt-5\" }";
    UNKNOWN_FIELD = "E201" "unknown-field",
        "A condition asks about something that is no field, let, label or budget.",
        bad "rule a { when promt contains \"implement\" route \"gpt-5-mini\" }\ndefault { route \"gpt-5\" }",
        good "rule a { when prompt contains \"implement\" route \"gpt-5-mini\" }\ndefault { route \"gpt-5\" }";
    UNKNOWN_NAME = "E202" "unknown-name",
        "A name stands for nothing that is defined.",
        bad "default { route frontier }",
        good "let frontier = \"gpt-5\"\ndefault { route frontier }";
    TYPE_MISMATCH = "E203" "type-mismatch",
        "Two things of different types are compared.",
        bad "rule a { when tokens < $5 route \"gpt-5-mini\" }\ndefault { route \"gpt-5\" }",
        good "rule a { when tokens < 5 route \"gpt-5-mini\" }\ndefault { route \"gpt-5\" }";
    WRONG_OPERATOR = "E204" "wrong-operator",
        "The operator does not work on a field of this type.",
        bad "rule a { when model == \"gpt-5\" route \"gpt-5-mini\" }\ndefault { route \"gpt-5\" }",
        good "rule a { when model is \"gpt-5\" route \"gpt-5-mini\" }\ndefault { route \"gpt-5\" }";
    DUPLICATE_NAME = "E205" "duplicate-name",
        "A name is defined twice. Names of rules, labels, pools, budgets, adjusts and lets share one space.",
        bad "let a = \"gpt-5\"\nlet a = \"gpt-5-mini\"\ndefault { route a }",
        good "let a = \"gpt-5\"\nlet b = \"claude-sonnet-4-6\"\ndefault { route a else b }";
    CIRCLE = "E206" "circle",
        "A definition needs itself.",
        bad "let a = b\nlet b = a\ndefault { route a }",
        good "let a = b\nlet b = \"gpt-5\"\ndefault { route a }";
    UNKNOWN_MEMBER = "E207" "unknown-member",
        "The word is no member of the field's closed set.",
        bad "rule a { when agent is backgroud route \"gpt-5-mini\" }\ndefault { route \"gpt-5\" }",
        good "rule a { when agent is background route \"gpt-5-mini\" }\ndefault { route \"gpt-5\" }";
    UNKNOWN_MODEL = "E208" "unknown-model",
        "No provider has a model of this name. An error when a configuration was found, a warning when only the built-in catalogue was.",
        bad "default { route \"gtp-5\" }",
        good "default { route \"gpt-5\" }";
    UNKNOWN_PROVIDER = "E209" "unknown-provider",
        "No provider of this name is known.",
        bad "adjust a { when target.provider is \"opena\" tag \"x\" }\ndefault { route \"gpt-5\" }",
        good "adjust a { when target.provider is \"openai\" tag \"x\" }\ndefault { route \"gpt-5\" }";
    ONE_OUTCOME = "E210" "one-outcome",
        "A rule and the default need exactly one `route` or `reject`.",
        bad "rule a { when stream tag \"x\" }\ndefault { route \"gpt-5\" }",
        good "rule a { when stream tag \"x\" route \"gpt-5-mini\" }\ndefault { route \"gpt-5\" }";
    NO_DEFAULT = "E211" "no-default",
        "A program needs a default, so that every request is answered.",
        bad "rule a { when stream route \"gpt-5\" }",
        good "rule a { when stream route \"gpt-5\" }\ndefault { route \"gpt-5-mini\" }";
    TWO_DEFAULTS = "E212" "two-defaults",
        "A program has exactly one default.",
        bad "default { route \"gpt-5\" }\ndefault { route \"gpt-5-mini\" }",
        good "default { route \"gpt-5\" else \"claude-sonnet-4-6\" }";
    EMPTY_RANGE = "E213" "empty-range",
        "The range holds nothing.",
        bad "rule a { when tokens in 9..3 route \"gpt-5-mini\" }\ndefault { route \"gpt-5\" }",
        good "rule a { when tokens in 3..9 route \"gpt-5-mini\" }\ndefault { route \"gpt-5\" }";
    EMPTY_LIST = "E214" "empty-list",
        "A list holds one member at least.",
        bad "rule a { when prompt contains any [] route \"gpt-5-mini\" }\ndefault { route \"gpt-5\" }",
        good "rule a { when prompt contains any [\"implement\"] route \"gpt-5-mini\" }\ndefault { route \"gpt-5\" }";
    BAD_PATTERN = "E215" "bad-pattern",
        "A text pattern cannot be searched for: it is empty, or has a star where none may stand.",
        bad "rule a { when prompt contains word \"*\" route \"gpt-5-mini\" }\ndefault { route \"gpt-5\" }",
        good "rule a { when prompt contains word \"imple*\" route \"gpt-5-mini\" }\ndefault { route \"gpt-5\" }";
    BAD_REGEX = "E216" "bad-regex",
        "The regular expression is not one, or needs more than linear time.",
        bad "rule a { when prompt matches /(a/ route \"gpt-5-mini\" }\ndefault { route \"gpt-5\" }",
        good "rule a { when prompt matches /(a)/ route \"gpt-5-mini\" }\ndefault { route \"gpt-5\" }";
    BAD_POOL = "E217" "bad-pool",
        "The pool's strategy, members or weights do not fit together.",
        bad "pool p weighted sticky session { \"gpt-5\" 60% \"claude-sonnet-4-6\" 60% }\ndefault { route p }",
        good "pool p weighted sticky session { \"gpt-5\" 60% \"claude-sonnet-4-6\" 40% }\ndefault { route p }";
    BAD_SETTING = "E218" "bad-setting",
        "`set` knows no such setting, or not with these values.",
        bad "default { route \"gpt-5\" set temprature 0.3 }",
        good "default { route \"gpt-5\" set temperature 0.3 }";
    BAD_LABEL = "E219" "bad-label",
        "A label needs exactly one `otherwise` line, and confidences up to 100%.",
        bad "label team { a when stream }\nrule r { when team is a route \"gpt-5\" }\ndefault { route \"gpt-5-mini\" }",
        good "label team { a when stream b otherwise }\nrule r { when team is a route \"gpt-5\" }\ndefault { route \"gpt-5-mini\" }";
    BAD_USE = "E220" "bad-use",
        "A used file cannot be read: it is not there, is outside of the program's folder, or uses itself.",
        bad "use \"missing.route\"\ndefault { route \"gpt-5\" }",
        good "default { route \"gpt-5\" }";
    NAME_OF_FIELD = "E221" "name-of-field",
        "A let, budget, label or pool may not be called like a field.",
        bad "let tokens = 5\ndefault { route \"gpt-5\" }",
        good "let many = 5\nrule a { when tokens > many route \"gpt-5-mini\" }\ndefault { route \"gpt-5\" }";
    BAD_TEST = "E222" "bad-test",
        "A `test` gives or expects something that a test cannot.",
        bad "default { route \"gpt-5\" }\ntest \"t\" { given prompt \"x\" expect reject 200 }",
        good "default { route \"gpt-5\" }\ntest \"t\" { given prompt \"x\" expect route \"gpt-5\" }";
    NOT_HERE = "E223" "not-here",
        "The action or field may not stand here.",
        bad "rule a { when target is \"gpt-5\" route \"gpt-5\" }\ndefault { route \"gpt-5\" }",
        good "adjust a { when target is \"gpt-5\" set temperature 0.3 }\ndefault { route \"gpt-5\" }";
    BAD_ARGUMENT = "E224" "bad-argument",
        "A field lacks what it is asked about, or is asked about something that it does not take.",
        bad "rule a { when cost > $1 route \"gpt-5-mini\" }\ndefault { route \"gpt-5\" }",
        good "rule a { when cost(\"gpt-5\") > $1 route \"gpt-5-mini\" }\ndefault { route \"gpt-5\" }";
    OUT_OF_RANGE = "E225" "out-of-range",
        "A value is larger or finer than its place holds.",
        bad "default { reject 200 \"no\" }",
        good "default { reject 403 \"no\" }";
    TWO_PROVIDERS = "E226" "two-providers",
        "Two providers carry a model of this name, and `providerOrder` does not say which is first.",
        bad "default { route \"gpt-oss-120b\" }",
        good "default { route \"openrouter/gpt-oss-120b\" }";
    LANGUAGE_VERSION = "E227" "language-version",
        "The file asks for a version of the language that this router does not know.",
        bad "language 9\ndefault { route \"gpt-5\" }",
        good "language 1\ndefault { route \"gpt-5\" }";
    BAD_ALLOW = "E228" "bad-allow",
        "A `# lint: allow` needs a code that exists and a reason behind it.",
        bad "# lint: allow(W401)\nlet a = \"gpt-5\"\ndefault { route \"gpt-5\" }",
        good "# lint: allow(W401) kept for the next quarter\nlet a = \"gpt-5\"\ndefault { route \"gpt-5\" }";
    BAD_SECTION = "E229" "bad-section",
        "A section of the configuration that routes says something that cannot be carried out: a condition that no request is known by, a rule without a model, a currency other than dollars.",
        bad "",
        good "default { route \"gpt-5\" }";
    SOURCE_TOO_LARGE = "E301" "source-too-large",
        "A file is larger than a rule file may be (16 MiB), or not UTF-8.",
        bad "",
        good "default { route \"gpt-5\" }";
    TOO_DEEP = "E302" "too-deep",
        "Brackets nest too deep (64 levels).",
        bad "rule a { when (((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((stream))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))) route \"gpt-5\" }\ndefault { route \"gpt-5\" }",
        good "rule a { when ((stream)) route \"gpt-5\" }\ndefault { route \"gpt-5-mini\" }";
    TOO_MANY = "E303" "too-many",
        "There is more of something than a program may have: 50,000 rules, 1,000,000 tests of fields with all lets and labels in place, 64 MiB of compiled regular expressions, 20,000 members of a list, 256 files.",
        bad "",
        good "default { route \"gpt-5\" }";
}
