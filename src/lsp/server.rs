//! The server itself: messages in, messages out. Errors of the language are told at once; lints with their proofs are
//! worked out on a thread of their own when nobody has typed for a moment.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use lsp_server::{Connection, ErrorCode, Message, Notification, Request, Response};
use lsp_types::notification::Notification as _;
use lsp_types::request::Request as _;
use lsp_types::{
    CodeActionKind, CodeActionOptions, CodeActionProviderCapability, CompletionOptions, Diagnostic as Told, Hover,
    HoverContents, HoverProviderCapability, InitializeParams, MarkupContent, MarkupKind, OneOf,
    PublishDiagnosticsParams, RenameOptions, ServerCapabilities, TextDocumentPositionParams,
    TextDocumentSyncCapability, TextDocumentSyncKind, WorkspaceEdit, notification, request,
};
use serde_json::Value;

use crate::config::{Configuration, Environment, rules};
use crate::lang::catalogue::Catalogue;
use crate::lang::diagnostic::Diagnostic;
use crate::lang::source::Source;
use crate::lang::{Checked, diagnostic};
use crate::lsp::actions;
use crate::lsp::completion;
use crate::lsp::documents::{Document, Documents, source_of};
use crate::lsp::features;
use crate::lsp::hover;
use crate::lsp::names::{Names, Occurrence};
use crate::lsp::place::{Encoding, path_of, uri};
use crate::state::clock::Clock;
use crate::tools::lint;

/// How long nobody has to type before lints are worked out.
const PAUSE: Duration = Duration::from_millis(150);
/// How often results are looked for while they are worked out.
const LOOK: Duration = Duration::from_millis(10);
/// How long a message is waited for when there is nothing to do.
const IDLE: Duration = Duration::from_hours(1);

/// What was found in a program, worked out beside.
struct Linted {
    root: PathBuf,
    stamp: u64,
    problems: Vec<Diagnostic>,
}

/// What a program was told last, and of which check.
struct Problems {
    checked: Arc<Checked>,
    problems: Vec<Diagnostic>,
}

struct Server<'a> {
    connection: &'a Connection,
    /// The configuration that was named at the start.
    config: Option<PathBuf>,
    environment: &'a Environment,
    encoding: Encoding,
    documents: Documents,
    catalogue: Arc<Catalogue>,
    clock: Clock,
    /// By the file that a program starts from.
    problems: BTreeMap<PathBuf, Problems>,
    /// Files that were told something.
    told: BTreeSet<PathBuf>,
    /// Programs whose lints are to be worked out, and when.
    due: BTreeMap<PathBuf, Duration>,
    working: bool,
    results: (Sender<Linted>, Receiver<Linted>),
}

/// Serves an editor until it says that it is enough. An error says what broke the connection.
pub fn serve(connection: &Connection, config: Option<PathBuf>, environment: &Environment) -> Result<(), String> {
    let broken = |error: lsp_server::ProtocolError| {
        if error.channel_is_disconnected() { "the editor has gone".to_owned() } else { error.to_string() }
    };
    let (id, params) = connection.initialize_start().map_err(broken)?;
    let params: InitializeParams = serde_json::from_value(params).unwrap_or_default();
    let offered = params.capabilities.general.as_ref().and_then(|general| general.position_encodings.as_deref());
    let encoding = Encoding::of(offered);
    let result = serde_json::json!({
        "capabilities": capabilities(encoding),
        "serverInfo": {"name": "router lsp", "version": env!("CARGO_PKG_VERSION")},
    });
    connection.initialize_finish(id, result).map_err(broken)?;
    #[expect(deprecated, reason = "editors that know no workspace folders send it")]
    let root = params
        .workspace_folders
        .and_then(|folders| folders.into_iter().next().map(|folder| folder.uri))
        .or(params.root_uri);
    let mut server = Server {
        connection,
        config,
        environment,
        encoding,
        documents: Documents::of(root.as_ref().and_then(path_of)),
        catalogue: Arc::new(crate::config::catalogue::alone()),
        clock: Clock::of_system(None),
        problems: BTreeMap::new(),
        told: BTreeSet::new(),
        due: BTreeMap::new(),
        working: false,
        results: channel(),
    };
    server.configure();
    server.run()
}

fn capabilities(encoding: Encoding) -> ServerCapabilities {
    let kinds = vec![CodeActionKind::QUICKFIX, CodeActionKind::SOURCE_FIX_ALL];
    ServerCapabilities {
        position_encoding: Some(encoding.kind()),
        text_document_sync: Some(TextDocumentSyncCapability::Kind(TextDocumentSyncKind::INCREMENTAL)),
        hover_provider: Some(HoverProviderCapability::Simple(true)),
        completion_provider: Some(CompletionOptions {
            trigger_characters: Some([" ", ".", "\"", "(", "[", ","].map(str::to_owned).to_vec()),
            ..CompletionOptions::default()
        }),
        definition_provider: Some(OneOf::Left(true)),
        references_provider: Some(OneOf::Left(true)),
        rename_provider: Some(OneOf::Right(RenameOptions {
            prepare_provider: Some(true),
            work_done_progress_options: lsp_types::WorkDoneProgressOptions::default(),
        })),
        document_formatting_provider: Some(OneOf::Left(true)),
        document_symbol_provider: Some(OneOf::Left(true)),
        code_action_provider: Some(CodeActionProviderCapability::Options(CodeActionOptions {
            code_action_kinds: Some(kinds),
            ..CodeActionOptions::default()
        })),
        ..ServerCapabilities::default()
    }
}

impl Server<'_> {
    /// Takes the configuration that the router itself would take in this workspace.
    fn configure(&mut self) {
        let here =
            self.documents.workspace.as_ref().map(|folder| folder.join("router.json")).filter(|path| path.is_file());
        let found = crate::config::find::configuration(self.config.clone().or(here), self.environment);
        match found.and_then(|path| Configuration::load(path, self.environment)) {
            Ok(configuration) => self.catalogue = configuration.catalogue,
            Err(problem) => self.say(&problem.0),
        }
    }

    /// A message that the editor shows.
    fn say(&self, message: &str) {
        let params = lsp_types::ShowMessageParams {
            typ: lsp_types::MessageType::WARNING,
            message: diagnostic::secret::hide(message).into_owned(),
        };
        self.notify::<notification::ShowMessage>(params);
    }

    fn notify<N: notification::Notification>(&self, params: N::Params) {
        let message = Notification::new(N::METHOD.to_owned(), params);
        // An editor that has gone is seen at the next message.
        let _ = self.connection.sender.send(Message::Notification(message));
    }

    fn run(&mut self) -> Result<(), String> {
        loop {
            let now = self.clock.instant();
            let next = self.due.values().min().map_or(IDLE, |due| due.saturating_sub(now));
            let wait = if self.working { next.clamp(LOOK, IDLE).min(LOOK) } else { next };
            match self.connection.receiver.recv_timeout(wait) {
                Ok(Message::Request(request)) => {
                    if self.connection.handle_shutdown(&request).map_err(|error| error.to_string())? {
                        return Ok(());
                    }
                    let response = self.answer(request);
                    let _ = self.connection.sender.send(Message::Response(response));
                }
                Ok(Message::Notification(notification)) => {
                    if notification.method == notification::Exit::METHOD {
                        return Ok(());
                    }
                    self.notified(notification);
                }
                Ok(Message::Response(_)) => {}
                Err(error) if error.is_disconnected() => return Ok(()),
                // Nobody typed: time for what takes longer.
                Err(_) => {}
            }
            self.take_results();
            self.start_lint();
        }
    }

    // --- texts come and go -------------------------------------------------------------------------------------------

    fn notified(&mut self, message: Notification) {
        match message.method.as_str() {
            notification::DidOpenTextDocument::METHOD => {
                let Some(params) = read::<notification::DidOpenTextDocument>(message) else { return };
                let Some(path) = path_of(&params.text_document.uri) else { return };
                let source = Source::new(path.display().to_string(), params.text_document.text);
                self.documents.open.insert(path.clone(), Document { source, version: params.text_document.version });
                self.documents.place(&path);
                self.changed(&path);
            }
            notification::DidChangeTextDocument::METHOD => {
                let Some(params) = read::<notification::DidChangeTextDocument>(message) else { return };
                let Some(path) = path_of(&params.text_document.uri) else { return };
                let Some(document) = self.documents.open.get_mut(&path) else { return };
                document.version = params.text_document.version;
                for change in params.content_changes {
                    document.change(change, self.encoding);
                }
                self.changed(&path);
            }
            notification::DidSaveTextDocument::METHOD => {
                let Some(params) = read::<notification::DidSaveTextDocument>(message) else { return };
                let Some(path) = path_of(&params.text_document.uri) else { return };
                // Which file uses which may be another one now.
                let open: Vec<PathBuf> = self.documents.open.keys().cloned().collect();
                open.iter().for_each(|path| self.documents.place(path));
                self.changed(&path);
            }
            // The configuration, or a file that a program uses, was written by somebody else.
            notification::DidChangeWatchedFiles::METHOD | notification::DidChangeConfiguration::METHOD => {
                self.configure();
                let open: Vec<PathBuf> = self.documents.open.keys().cloned().collect();
                open.iter().for_each(|path| self.documents.place(path));
                open.iter().for_each(|path| self.changed(path));
            }
            notification::DidCloseTextDocument::METHOD => {
                let Some(params) = read::<notification::DidCloseTextDocument>(message) else { return };
                let Some(path) = path_of(&params.text_document.uri) else { return };
                self.documents.open.remove(&path);
                for gone in self.documents.forget() {
                    self.problems.remove(&gone);
                    self.due.remove(&gone);
                }
                self.tell();
            }
            _ => {}
        }
    }

    /// Checks the programs of a file, and tells what is wrong with the language in them.
    fn changed(&mut self, path: &Path) {
        for root in self.documents.roots(path) {
            self.documents.check(&root, &self.catalogue);
            let Some(program) = self.documents.programs.get(&root) else { continue };
            let checked = Arc::clone(&program.checked);
            let problems = checked.problems.clone();
            let had = self.problems.get(&root).is_some_and(|known| diagnostic::any_error(&known.problems));
            // Without errors before and now, what was found last stays until the lints have spoken.
            if had || diagnostic::any_error(&problems) || !self.problems.contains_key(&root) {
                self.problems.insert(root.clone(), Problems { checked, problems });
                self.tell();
            }
            self.due.insert(root, self.clock.instant() + PAUSE);
        }
    }

    fn start_lint(&mut self) {
        let now = self.clock.instant();
        if self.working {
            return;
        }
        let Some(root) = self.due.iter().find(|(_, due)| **due <= now).map(|(root, _)| root.clone()) else { return };
        self.due.remove(&root);
        let Some(program) = self.documents.programs.get(&root) else { return };
        let (checked, stamp, sender) = (Arc::clone(&program.checked), program.stamp, self.results.0.clone());
        let folder = rules::Folder(root.parent().map(Path::to_path_buf).unwrap_or_default());
        self.working = true;
        std::thread::spawn(move || {
            let found = lint::run(&checked, &|path| rules::request_file(&folder, path));
            let _ = sender.send(Linted { root, stamp, problems: found.problems });
        });
    }

    fn take_results(&mut self) {
        while let Ok(linted) = self.results.1.try_recv() {
            self.working = false;
            let Some(program) = self.documents.programs.get(&linted.root) else { continue };
            // What has changed meanwhile is due again.
            if program.stamp == linted.stamp {
                let checked = Arc::clone(&program.checked);
                self.problems.insert(linted.root, Problems { checked, problems: linted.problems });
                self.tell();
            }
        }
    }

    /// Tells each file what is wrong with it.
    fn tell(&mut self) {
        let mut by_file: BTreeMap<PathBuf, Vec<Told>> = BTreeMap::new();
        for known in self.problems.values() {
            for one in &known.problems {
                let path = PathBuf::from(&known.checked.sources.get(one.span.source).name);
                let told = actions::told(&known.checked, one, self.encoding);
                let all = by_file.entry(path).or_default();
                if !all.contains(&told) {
                    all.push(told);
                }
            }
        }
        let mut files: BTreeSet<PathBuf> = std::mem::take(&mut self.told);
        files.extend(self.documents.open.keys().cloned());
        files.extend(by_file.keys().cloned());
        for path in files {
            let diagnostics = by_file.remove(&path).unwrap_or_default();
            if !diagnostics.is_empty() {
                self.told.insert(path.clone());
            }
            let version = self.documents.open.get(&path).map(|document| document.version);
            if let Some(uri) = uri(&path) {
                let params = PublishDiagnosticsParams { uri, diagnostics, version };
                self.notify::<notification::PublishDiagnostics>(params);
            }
        }
    }

    // --- questions ---------------------------------------------------------------------------------------------------

    fn answer(&self, request: Request) -> Response {
        let id = request.id.clone();
        match self.result(request) {
            Ok(value) => Response::new_ok(id, value),
            Err((code, message)) => Response::new_err(id, code as i32, message),
        }
    }

    fn result(&self, request: Request) -> Result<Value, (ErrorCode, String)> {
        match request.method.as_str() {
            request::HoverRequest::METHOD => {
                let params = asked::<request::HoverRequest>(request)?;
                json(self.hover(&params.text_document_position_params))
            }
            request::Completion::METHOD => {
                let params = asked::<request::Completion>(request)?;
                json(self.complete(&params.text_document_position))
            }
            request::GotoDefinition::METHOD => {
                let params = asked::<request::GotoDefinition>(request)?;
                let at = &params.text_document_position_params;
                json(
                    self.at(at, |checked, names, word| {
                        features::definition_of(checked, names, &word.word, self.encoding)
                    }),
                )
            }
            request::References::METHOD => {
                let params = asked::<request::References>(request)?;
                let path = path_of(&params.text_document_position.text_document.uri);
                let programs = path.map(|path| self.documents.programs(&path)).unwrap_or_default();
                let defined = params.context.include_declaration;
                json(self.at(&params.text_document_position, |_, _, word| {
                    features::places(&programs, &word.word, defined, self.encoding)
                }))
            }
            request::PrepareRenameRequest::METHOD => {
                let params = asked::<request::PrepareRenameRequest>(request)?;
                json(self.at(&params, |checked, _, word| {
                    let source = checked.sources.get(word.span.source);
                    features::can_be_renamed(checked, &word.word).then(|| self.encoding.range(source, word.span))
                }))
            }
            request::Rename::METHOD => {
                let params = asked::<request::Rename>(request)?;
                self.rename(&params)
            }
            request::Formatting::METHOD => {
                let params = asked::<request::Formatting>(request)?;
                let document = path_of(&params.text_document.uri).and_then(|path| self.documents.open.get(&path));
                let edit = document.and_then(|document| features::formatted(&document.source, self.encoding));
                json(edit.into_iter().collect::<Vec<_>>())
            }
            request::DocumentSymbolRequest::METHOD => {
                let params = asked::<request::DocumentSymbolRequest>(request)?;
                let path = path_of(&params.text_document.uri);
                let found = path.and_then(|path| {
                    let programs = self.documents.programs(&path);
                    Some(features::outline(&programs.first()?.checked, &path, self.encoding))
                });
                json(found.unwrap_or_default())
            }
            request::CodeActionRequest::METHOD => {
                let params = asked::<request::CodeActionRequest>(request)?;
                json(self.actions(&params))
            }
            other => Err((ErrorCode::MethodNotFound, format!("`{other}` is not answered here"))),
        }
    }

    /// The word at a place, in the first program of its file.
    fn at<T: Default>(
        &self,
        at: &TextDocumentPositionParams,
        take: impl FnOnce(&Checked, &Names<'_>, &Occurrence) -> T,
    ) -> T {
        let found = || {
            let path = path_of(&at.text_document.uri)?;
            let programs = self.documents.programs(&path);
            let checked = &programs.first()?.checked;
            let file = source_of(checked, &path)?;
            let names = Names::of(&checked.items);
            let byte = self.encoding.offset(checked.sources.get(file), at.position);
            let word = features::word_at(checked, &names, file, byte)?;
            Some(take(checked, &names, &word))
        };
        found().unwrap_or_default()
    }

    fn hover(&self, at: &TextDocumentPositionParams) -> Option<Hover> {
        self.at(at, |checked, names, word| {
            let value = hover::of(&word.word, names, &checked.sources, &self.catalogue)?;
            let range = self.encoding.range(checked.sources.get(word.span.source), word.span);
            let contents = HoverContents::Markup(MarkupContent { kind: MarkupKind::Markdown, value });
            Some(Hover { contents, range: Some(range) })
        })
    }

    fn complete(&self, at: &TextDocumentPositionParams) -> Vec<lsp_types::CompletionItem> {
        let found = || {
            let path = path_of(&at.text_document.uri)?;
            let source = &self.documents.open.get(&path)?.source;
            let programs = self.documents.programs(&path);
            let checked = &programs.first()?.checked;
            let byte = self.encoding.offset(source, at.position);
            if features::in_comment(source, byte) {
                return None;
            }
            let names = Names::of(&checked.items);
            let asked = completion::Asked {
                source,
                byte,
                names: &names,
                sources: &checked.sources,
                catalogue: &self.catalogue,
                encoding: self.encoding,
            };
            Some(completion::of(&asked))
        };
        found().unwrap_or_default()
    }

    fn rename(&self, params: &lsp_types::RenameParams) -> Result<Value, (ErrorCode, String)> {
        let path = path_of(&params.text_document_position.text_document.uri);
        let programs = path.map(|path| self.documents.programs(&path)).unwrap_or_default();
        let refused = |why: &str| Err((ErrorCode::InvalidRequest, why.to_owned()));
        let renamed = self.at(&params.text_document_position, |checked, _, word| {
            if !features::can_be_renamed(checked, &word.word) {
                return None;
            }
            Some(match features::why_not(checked, &word.word, &params.new_name) {
                Some(why) => Err(why),
                None => Ok(features::renamed(&programs, &word.word, &params.new_name, self.encoding)),
            })
        });
        match renamed {
            None => refused("there is no name here that can be changed"),
            Some(Err(why)) => refused(&why),
            Some(Ok(changes)) => json(WorkspaceEdit { changes: Some(changes), ..WorkspaceEdit::default() }),
        }
    }

    fn actions(&self, params: &lsp_types::CodeActionParams) -> Vec<lsp_types::CodeAction> {
        let Some(path) = path_of(&params.text_document.uri) else { return Vec::new() };
        let mut found = Vec::new();
        for root in self.documents.roots(&path) {
            let (Some(program), Some(known)) = (self.documents.programs.get(&root), self.problems.get(&root)) else {
                continue;
            };
            // Edits of an older text would hit the wrong words.
            if Arc::ptr_eq(&program.checked, &known.checked) {
                found.extend(actions::of(&known.checked, &known.problems, &path, params.range, self.encoding));
            }
        }
        if let Some(only) = &params.context.only {
            let wanted = |kind: &CodeActionKind| {
                only.iter().any(|only| kind == only || kind.as_str().starts_with(&format!("{}.", only.as_str())))
            };
            found.retain(|action| action.kind.as_ref().is_some_and(wanted));
        }
        found
    }
}

fn json(value: impl serde::Serialize) -> Result<Value, (ErrorCode, String)> {
    serde_json::to_value(value).map_err(|error| (ErrorCode::InternalError, error.to_string()))
}

fn asked<R: request::Request>(request: Request) -> Result<R::Params, (ErrorCode, String)> {
    serde_json::from_value(request.params).map_err(|error| (ErrorCode::InvalidParams, error.to_string()))
}

fn read<N: notification::Notification>(message: Notification) -> Option<N::Params> {
    serde_json::from_value(message.params).ok()
}
