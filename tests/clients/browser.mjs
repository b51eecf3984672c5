// A real browser against the router: a page of another origin that tries every way of sending and reading, a host name
// that is rebound to this machine, and a page that the configuration lists.
// Usage: node browser.mjs ROUTER PLAYWRIGHT CHROMIUM
import { createServer } from "node:http";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve as absolute } from "node:path";
import { pathToFileURL } from "node:url";
import assert from "node:assert";

const [routerPath, playwright, executablePath] = process.argv.slice(2);
// It is started in a folder of its own.
const router = absolute(routerPath);
const { chromium } = await import(pathToFileURL(join(playwright, "node_modules/playwright-core/index.mjs")));

const pages = createServer((request, response) => {
  response.setHeader("content-type", "text/html");
  response.end("<!doctype html><title>a page</title>");
});
await new Promise((resolve) => pages.listen(0, "127.0.0.1", resolve));
const pagePort = pages.address().port;

// The provider, which counts what it is asked.
let requests = 0;
const provider = createServer((request, response) => {
  requests += 1;
  request.resume().on("end", () => {
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({
      id: "msg_1", type: "message", role: "assistant", model: "m", content: [{ type: "text", text: "hello" }],
      stop_reason: "end_turn", stop_sequence: null, usage: { input_tokens: 1, output_tokens: 1 },
    }));
  });
});
await new Promise((resolve) => provider.listen(0, "127.0.0.1", resolve));

const folder = mkdtempSync(join(tmpdir(), "router-browser-"));
writeFileSync(join(folder, "router.json"), JSON.stringify({
  providers: {
    fake: { kind: "anthropic", baseUrl: `http://127.0.0.1:${provider.address().port}`, apiKey: "k", models: { "m-1": {} } },
  },
  router: { cors: [`http://listed.example:${pagePort}`] },
}));
writeFileSync(join(folder, "my.route"), 'default { route "m-1" }\n');
const served = spawn(router, ["start", "--port", "0", "--rules", "my.route"], {
  cwd: folder, env: { HOME: folder }, stdio: ["ignore", "pipe", "inherit"],
});
const port = await new Promise((resolve, reject) => {
  let text = "";
  served.stdout.on("data", (data) => {
    text += data;
    const found = /listening on http:\/\/127\.0\.0\.1:(\d+)/.exec(text);
    if (found) resolve(Number(found[1]));
  });
  served.on("exit", () => reject(new Error("the router did not start")));
});
const own = `http://127.0.0.1:${port}`;

const browser = await chromium.launch({
  executablePath,
  args: [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
    "--host-resolver-rules=MAP *.example 127.0.0.1",
    // The router has to hold without what a browser may or may not do by itself.
    "--disable-features=BlockInsecurePrivateNetworkRequests,PrivateNetworkAccessSendPreflights,LocalNetworkAccessChecks",
  ],
});
try {
  // Everything that a page can send without asking, and what it can read of it.
  const attempts = async (page) => page.evaluate(async (own) => {
    const body = JSON.stringify({ model: "m-1", max_tokens: 5, messages: [{ role: "user", content: "spend" }] });
    const read = {};
    const ways = {
      json: () => fetch(`${own}/v1/messages`, { method: "POST", headers: { "content-type": "application/json" }, body }),
      text: () => fetch(`${own}/v1/messages`, { method: "POST", headers: { "content-type": "text/plain" }, body }),
      blind: () => fetch(`${own}/v1/messages`, { method: "POST", mode: "no-cors", body }),
      completions: () => fetch(`${own}/v1/chat/completions`, { method: "POST", mode: "no-cors", body }),
      count: () => fetch(`${own}/v1/messages/count_tokens`, { method: "POST", mode: "no-cors", body }),
      statistics: () => fetch(`${own}/api/stats`),
      health: () => fetch(`${own}/health/detailed`),
    };
    for (const [name, way] of Object.entries(ways)) {
      try {
        const response = await way();
        read[name] = response.type === "opaque" ? null : [response.status, (await response.text()).slice(0, 80)];
      } catch {
        read[name] = null;
      }
    }
    navigator.sendBeacon(`${own}/v1/messages`, body);
    const form = document.createElement("form");
    Object.assign(form, { method: "post", action: `${own}/v1/messages`, enctype: "text/plain", target: "form" });
    const field = document.createElement("input");
    field.name = body.slice(0, -1) + ', "x": "';
    field.value = '"}';
    form.append(field);
    const frame = document.createElement("iframe");
    frame.name = "form";
    const loaded = new Promise((resolve) => frame.addEventListener("load", resolve, { once: true }));
    document.body.append(frame, form);
    form.submit();
    await loaded;
    // A sandboxed frame has the origin `null`.
    const boxed = document.createElement("iframe");
    boxed.sandbox = "allow-scripts";
    const told = new Promise((resolve) => addEventListener("message", resolve, { once: true }));
    boxed.srcdoc = `<script>fetch(${JSON.stringify(own)} + "/v1/messages", {method: "POST", headers: {"content-type": "application/json"}, body: ${JSON.stringify(body)}}).then((r) => r.text(), () => null).then((text) => parent.postMessage(text, "*"))</script>`;
    document.body.append(boxed);
    read.sandboxed = (await told).data;
    for (const path of ["/api/stats", "/health"]) {
      const image = new Image();
      await new Promise((resolve) => { image.onload = image.onerror = resolve; image.src = own + path; });
    }
    return read;
  }, own);

  const foreign = await browser.newPage();
  await foreign.goto(`http://foreign.example:${pagePort}/`);
  const read = await attempts(foreign);
  for (const [name, what] of Object.entries(read)) {
    assert.strictEqual(what, null, `a foreign page read something by ${name}: ${what}`);
  }
  const localhost = await browser.newPage();
  await localhost.goto(`http://localhost:${pagePort}/`);
  assert.deepStrictEqual(await attempts(localhost), read, "another port of this machine is another origin");
  assert.strictEqual(requests, 0, "a foreign page was served");

  // The page's own name leads to the router, as after a rebinding.
  const rebound = await browser.newPage();
  const response = await rebound.goto(`http://rebound.example:${port}/api/stats`);
  assert.strictEqual(response.status(), 421);
  const same = await rebound.evaluate(async () => {
    const got = await fetch("/v1/messages", { method: "POST", headers: { "content-type": "application/json" }, body: "{}" });
    return got.status;
  });
  assert.strictEqual(same, 421);
  assert.strictEqual(requests, 0, "a rebound name was served");

  // What the user lists works, and so does an address that he types.
  const listed = await browser.newPage();
  await listed.goto(`http://listed.example:${pagePort}/`);
  const answered = await listed.evaluate(async (own) => {
    const body = JSON.stringify({ model: "m-1", max_tokens: 5, messages: [{ role: "user", content: "hi" }] });
    const response = await fetch(`${own}/v1/messages`, { method: "POST", headers: { "content-type": "application/json", "x-api-key": "x" }, body });
    return [response.status, (await response.json()).type];
  }, own);
  assert.deepStrictEqual(answered, [200, "message"]);
  assert.strictEqual(requests, 1);
  const typed = await browser.newPage();
  assert.strictEqual((await typed.goto(`${own}/api/stats`)).status(), 200);
  console.log("a browser: foreign pages, a rebound name, a listed page");
} finally {
  await browser.close();
  served.kill();
  pages.close();
  provider.close();
  rmSync(folder, { recursive: true, force: true });
}
