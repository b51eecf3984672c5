//! An editor: it drives `router lsp` over standard input and output, and waits for what it says.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::router::{Folder, command};

/// How long the server may say nothing while something is waited for: only a broken one takes it.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub struct Editor {
    pub folder: Folder,
    child: Child,
    input: ChildStdin,
    output: Receiver<Value>,
    waiting: VecDeque<Value>,
    next: i64,
    version: i64,
}

impl Editor {
    /// With some files in its folder, none open.
    pub fn start(files: &[(&str, &str)]) -> Self {
        let folder = Folder::new();
        for (name, text) in files {
            folder.file(name, text);
        }
        let mut child = command(&folder.0).arg("lsp").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (input, stdout) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let (sender, output) = channel();
        std::thread::spawn(move || messages(stdout, |message| sender.send(message).is_ok()));
        let mut editor = Self { folder, child, input, output, waiting: VecDeque::new(), next: 0, version: 0 };
        let root = editor.uri("");
        let answer = editor
            .ask("initialize", json!({"processId": null, "rootUri": root.trim_end_matches('/'), "capabilities": {}}));
        assert_eq!(answer["result"]["serverInfo"]["name"], "router lsp", "{answer}");
        editor.tell("initialized", json!({}));
        editor
    }

    pub fn uri(&self, name: &str) -> String {
        format!("file://{}/{name}", self.folder.0.display())
    }

    fn send(&mut self, message: &Value) {
        let text = message.to_string();
        write!(self.input, "Content-Length: {}\r\n\r\n{text}", text.len()).unwrap();
        self.input.flush().unwrap();
    }

    /// What the server says next. One that says nothing any more fails the test instead of stopping it.
    fn receive(&mut self) -> Value {
        self.output.recv_timeout(PATIENCE).expect("the server says nothing more")
    }

    pub fn tell(&mut self, method: &str, params: Value) {
        self.send(&json!({"jsonrpc": "2.0", "method": method, "params": params}));
    }

    /// The answer to a question; what else is said meanwhile waits.
    pub fn ask(&mut self, method: &str, params: Value) -> Value {
        self.next += 1;
        let id = self.next;
        self.send(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}));
        loop {
            let message = self.receive();
            if message["id"] == id {
                return message;
            }
            self.waiting.push_back(message);
        }
    }

    pub fn open(&mut self, name: &str) {
        let text = std::fs::read_to_string(self.folder.0.join(name)).unwrap();
        let uri = self.uri(name);
        self.tell(
            "textDocument/didOpen",
            json!({"textDocument": {"uri": uri, "languageId": "route", "version": 0, "text": text}}),
        );
    }

    /// Types a text over a range: from line and column to line and column, from 0.
    pub fn change(&mut self, name: &str, range: [u32; 4], text: &str) {
        self.version += 1;
        let range = json!({"start": {"line": range[0], "character": range[1]}, "end": {"line": range[2], "character": range[3]}});
        let document = json!({"uri": self.uri(name), "version": self.version});
        self.tell(
            "textDocument/didChange",
            json!({"textDocument": document, "contentChanges": [{"range": range, "text": text}]}),
        );
    }

    /// Waits until a file is told what `wanted` says of its problems.
    pub fn problems(&mut self, name: &str, wanted: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let uri = self.uri(name);
        let mut last = None;
        loop {
            let message = self.waiting.pop_front().unwrap_or_else(|| {
                self.output.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("no more is told of {name}: {last:#?}"))
            });
            if message["method"] == "textDocument/publishDiagnostics" && message["params"]["uri"] == uri {
                let found = message["params"]["diagnostics"].as_array().unwrap().clone();
                if wanted(&found) {
                    return found;
                }
                last = Some(found);
            }
        }
    }

    /// A question about a place of a file.
    pub fn at(&mut self, method: &str, name: &str, line: u32, column: u32, more: Value) -> Value {
        let mut params =
            json!({"textDocument": {"uri": self.uri(name)}, "position": {"line": line, "character": column}});
        params.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
        let answer = self.ask(&format!("textDocument/{method}"), params);
        if answer["error"].is_object() { answer["error"].clone() } else { answer["result"].clone() }
    }

    /// Ends it; whether it ended well.
    pub fn quit(mut self) -> bool {
        self.ask("shutdown", Value::Null);
        self.tell("exit", Value::Null);
        self.child.wait().unwrap().success()
    }
}

impl Drop for Editor {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads messages until there are no more, or nobody wants them.
fn messages(mut output: BufReader<ChildStdout>, send: impl Fn(Value) -> bool) {
    let mut length = 0;
    let mut line = String::new();
    while output.read_line(&mut line).is_ok_and(|read| read > 0) {
        if let Some(number) = line.strip_prefix("Content-Length: ") {
            length = number.trim().parse().unwrap();
        }
        if line.trim().is_empty() {
            let mut bytes = vec![0; length];
            output.read_exact(&mut bytes).unwrap();
            if !send(serde_json::from_slice(&bytes).unwrap()) {
                return;
            }
        }
        line.clear();
    }
}

/// A text with the edits of an answer.
pub fn edited(text: &str, edits: &Value) -> String {
    let mut edits: Vec<&Value> = edits.as_array().unwrap().iter().collect();
    let offset = |place: &Value| {
        let start: usize =
            text.split_inclusive('\n').take(place["line"].as_u64().unwrap() as usize).map(str::len).sum();
        let line = text[start..].split('\n').next().unwrap();
        let wanted = place["character"].as_u64().unwrap() as usize;
        let mut seen = 0;
        let at = line.char_indices().find(|(_, c)| {
            let here = seen >= wanted;
            seen += c.len_utf16();
            here
        });
        start + at.map_or(line.len(), |(at, _)| at)
    };
    edits.sort_by_key(|edit| std::cmp::Reverse(offset(&edit["range"]["start"])));
    let mut made = text.to_owned();
    for edit in edits {
        let range = offset(&edit["range"]["start"])..offset(&edit["range"]["end"]);
        made.replace_range(range, edit["newText"].as_str().unwrap());
    }
    made
}
