// Starts `router lsp` for route files, and says what to do when it is not there.

import * as vscode from "vscode";
import { LanguageClient, type LanguageClientOptions, type ServerOptions } from "vscode-languageclient/node";

const SECTION = "claudeRouter";

let client: LanguageClient | undefined;

function settings(): { path: string; args: string[] } {
  const section = vscode.workspace.getConfiguration(SECTION);
  const config = section.get<string>("config", "").trim();
  return {
    path: section.get<string>("path", "").trim() || "router",
    args: config === "" ? ["lsp"] : ["lsp", "--config", config],
  };
}

async function start(output: vscode.LogOutputChannel, watchers: vscode.FileSystemWatcher[]): Promise<void> {
  const { path, args } = settings();
  const folder = vscode.workspace.workspaceFolders?.[0]?.uri;
  const server: ServerOptions = {
    command: path,
    args,
    ...(folder?.scheme === "file" ? { options: { cwd: folder.fsPath } } : {}),
  };
  const options: LanguageClientOptions = {
    documentSelector: [{ scheme: "file", language: "route" }],
    outputChannel: output,
    synchronize: { fileEvents: watchers },
  };
  client = new LanguageClient(SECTION, "claude-router", server, options);
  try {
    await client.start();
  } catch (error) {
    output.error(String(error));
    client = undefined;
    const choose = "Set its path";
    const chosen = await vscode.window.showErrorMessage(
      `claude-router: \`${path}\` could not be started. Install it with \`cargo install --path .\` in a checkout, or say where it is.`,
      choose,
    );
    if (chosen === choose) {
      await vscode.commands.executeCommand("workbench.action.openSettings", `${SECTION}.path`);
    }
  }
}

async function stop(): Promise<void> {
  const running = client;
  client = undefined;
  await running?.dispose();
}

export async function activate(context: vscode.ExtensionContext): Promise<void> {
  const output = vscode.window.createOutputChannel("claude-router", { log: true });
  const watchers = ["**/*.route", "**/router.json"].map((files) => vscode.workspace.createFileSystemWatcher(files));
  // One start at a time: settings can change while a server starts.
  let turn: Promise<void> = Promise.resolve();
  const restart = (): Promise<void> => {
    turn = turn.then(stop).then(() => start(output, watchers));
    return turn;
  };
  context.subscriptions.push(
    output,
    ...watchers,
    vscode.commands.registerCommand(`${SECTION}.restart`, restart),
    vscode.commands.registerCommand(`${SECTION}.output`, () => output.show()),
    vscode.workspace.onDidChangeConfiguration((change) => {
      if (change.affectsConfiguration(`${SECTION}.path`) || change.affectsConfiguration(`${SECTION}.config`)) {
        void restart();
      }
    }),
  );
  await restart();
}

export function deactivate(): Promise<void> {
  return stop();
}
